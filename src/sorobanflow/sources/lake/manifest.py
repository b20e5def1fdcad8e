"""The manifest of a data lake, `.config.json`: its network and its layout, checked.

Older stores have none. Source: SEP-54 v0.2.0.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sorobanflow.errors import LakeError

MANIFEST_KEY = ".config.json"
MAX_MANIFEST_BYTES = 65_536
MAX_LEDGERS_PER_BATCH = 100_000
MAX_BATCHES_PER_PARTITION = 2**31


class Manifest(Struct, rename="camel"):
    """What a manifest states; unknown fields are ignored."""

    network_passphrase: Annotated[str, Meta(min_length=1, max_length=1024)]
    compression: str
    ledgers_per_batch: Annotated[int, Meta(ge=1, le=MAX_LEDGERS_PER_BATCH)]
    batches_per_partition: Annotated[int, Meta(ge=1, le=MAX_BATCHES_PER_PARTITION)]


_manifests = msgspec.json.Decoder(Manifest)


def read_manifest(data: bytes, address: str) -> Manifest:
    """Read and check a manifest of the lake at an address.

    Raises:
        LakeError: it is not one, or asks for what this program does not read.
    """
    try:
        manifest = _manifests.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LakeError(
            f"{address}: the manifest {MANIFEST_KEY} is not one of SEP-54: {error}; "
            "set the URL to the folder of a lake that holds networkPassphrase, compression, "
            "ledgersPerBatch and batchesPerPartition there"
        ) from None
    if manifest.compression != "zstd":
        raise LakeError(
            f"{address}: the objects are compressed with {manifest.compression[:40]!r}, "
            "as the manifest states; expected zstd. Use another lake"
        )
    return manifest


def check_network(stated: str, expected: str | None, address: str) -> None:
    """Refuse a lake of another network than the one expected, if one is.

    Raises:
        LakeError: it is another.
    """
    if expected is not None and stated != expected:
        raise LakeError(
            f"{address}: the lake holds the network {stated!r}, as its manifest states; expected "
            f"{expected!r}. Use a lake of that network, or change network_passphrase of the "
            "data-lake block"
        )
