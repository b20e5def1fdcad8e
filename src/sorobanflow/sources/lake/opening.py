"""Open a data lake: its store by the URL, its network and layout by the manifest.

A store without a manifest is of an older form: its layout is given, or the source tries the
usual ones for the first ledger that is wanted.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.lake.bucket import SCHEMES, BucketStore
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.folder import FolderStore
from sorobanflow.sources.lake.http import HttpStore
from sorobanflow.sources.lake.layout import OLDER_SUFFIX, SUFFIX, Layout
from sorobanflow.sources.lake.manifest import (
    MANIFEST_KEY,
    MAX_MANIFEST_BYTES,
    check_network,
    read_manifest,
)
from sorobanflow.sources.lake.source import LakeSource
from sorobanflow.sources.lake.store import ObjectStore

#: Ledgers per batch and batches per partition that older stores have.
_USUAL = ((1, 64_000), (64, 10), (64, 1))


def open_store(url: str, options: Mapping[str, str], http: HttpSettings) -> ObjectStore:
    """Open the store at a path or URL; `options` are obstore's, for s3:// and gs:// only.

    Raises:
        ConfigurationError: the URL or an option cannot be used.
    """
    scheme, separator, _ = url.partition("://")
    if scheme in SCHEMES and separator:
        return BucketStore(url, options, http)
    if options:
        raise ConfigurationError("credentials are for data lakes with s3:// and gs:// URLs only")
    if scheme in ("http", "https") and separator:
        return HttpStore(url, http)
    if scheme == "file" and separator:
        return FolderStore(Path(unquote(urlsplit(url).path)))
    if separator:
        raise ConfigurationError(
            f"the URL of the data lake starts with {scheme[:20]!r}; expected a folder, or a URL "
            "with file, http, https, s3 or gs"
        )
    return FolderStore(Path(url).expanduser())


def open_lake(
    client: LakeClient,
    *,
    network: str | None = None,
    layout: Layout | None = None,
    suffix: str | None = None,
    event_filter: EventFilter | None = None,
) -> LakeSource:
    """Open a lake as a source: read its manifest.

    Args:
        network: Passphrase that the manifest must state; the lake's, if it has no manifest.
        layout: That of a lake without a manifest, if it is known.
        suffix: The ending of its objects; default: that of lakes with a manifest, or both are
            tried.
        event_filter: What the decoder is to select; None: everything.

    Raises:
        LakeError: the manifest is wrong, or of another network.
        ConfigurationError: there is no manifest, and no network is given.
    """
    data = client.get(MANIFEST_KEY, MAX_MANIFEST_BYTES)
    if data is not None:
        manifest = read_manifest(data, client.address)
        check_network(manifest.network_passphrase, network, client.address)
        counts = manifest.ledgers_per_batch, manifest.batches_per_partition
        layouts = [Layout(*counts, suffix or SUFFIX)]
        return LakeSource(client, manifest.network_passphrase, layouts, event_filter)
    if network is None:
        raise ConfigurationError(
            f"{client.address} has no manifest {MANIFEST_KEY}, so it does not say its network; "
            "check the URL, or set network_passphrase of the data-lake block"
        )
    usual = [Layout(*counts) for counts in _USUAL] if layout is None else [layout]
    endings = (suffix,) if suffix else (SUFFIX, OLDER_SUFFIX)
    layouts = [one._replace(suffix=ending) for one in usual for ending in endings]
    return LakeSource(client, network, layouts, event_filter)
