"""The manifest of a data lake and the head of an object: nobody vouches for either."""

from typing import Any

import msgspec
import pytest
from zstandard import ZstdCompressor

from sorobanflow.errors import LakeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.lake.manifest import read_manifest
from sorobanflow.sources.lake.objects import stated_ledgers
from sorobanflow.sources.lake.unzstd import unzstd

MANIFEST = {
    "networkPassphrase": "Some Network",
    "version": "1.0",
    "compression": "zstd",
    "ledgersPerBatch": 1,
    "batchesPerPartition": 64_000,
}


def batch(first: int, last: int, content: bytes = b"ledgers") -> bytes:
    ends = first.to_bytes(4, "big") + last.to_bytes(4, "big")
    return ZstdCompressor(write_checksum=True).compress(ends + content)


def test_manifest_states_network_and_layout() -> None:
    manifest = read_manifest(msgspec.json.encode(MANIFEST), "/lake")
    assert manifest.network_passphrase == "Some Network"
    assert (manifest.ledgers_per_batch, manifest.batches_per_partition) == (1, 64_000)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"compression": "gzip"}, "'gzip'"),
        ({"compression": None}, "compression"),
        ({"ledgersPerBatch": 0}, "ledgersPerBatch"),
        ({"ledgersPerBatch": 10**9}, "ledgersPerBatch"),
        ({"ledgersPerBatch": "64"}, "ledgersPerBatch"),
        ({"batchesPerPartition": 0}, "batchesPerPartition"),
        ({"batchesPerPartition": 2**40}, "batchesPerPartition"),
        ({"networkPassphrase": ""}, "networkPassphrase"),
        ({"networkPassphrase": "n" * 5000}, "networkPassphrase"),
    ],
)
def test_manifest_that_is_wrong_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(LakeError, match=named) as caught:
        read_manifest(msgspec.json.encode(MANIFEST | change), "/lake")
    assert "/lake" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b"\xff\xfe", b"[" * 60_000])
def test_manifest_that_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(LakeError, match=r"\.config\.json is not one of SEP-54"):
        read_manifest(data, "/lake")


def test_object_states_its_ledgers_and_how_large_they_are() -> None:
    assert stated_ledgers(batch(64, 127, bytes(7))) == (LedgerRange(64, 127), 15)
    assert stated_ledgers(batch(7, 7, bytes(3_000_000))) == (LedgerRange(7, 7), 3_000_008)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "0 bytes end too early"),
        (batch(1, 1)[:-1], "end too early"),
        (batch(1, 1)[:3], "end too early"),
        (batch(1, 1) + b"x", "after its end"),
        (batch(1, 1) + bytes(5000), "after its end"),
        (batch(1, 1)[:-1] + b"x", "zstd"),  # its checksum
        (b"<html>no such object</html>", "zstd"),
        (ZstdCompressor().compress(b"short"), "it holds 5 bytes"),
    ],
)
def test_object_that_is_damaged_is_no_object(data: bytes, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        stated_ledgers(data)


def test_object_that_expands_without_end_is_given_up_early() -> None:
    parts = unzstd(batch(1, 1, bytes(20_000_000)), max_bytes=1_000_000)
    with pytest.raises(ValueError, match="larger than 1000000 bytes"):
        list(parts)
