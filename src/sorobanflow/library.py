"""The library: what a program may import, without Prefect and, to read a lake, without a database.

The names in `__all__` stay as they are from one version to the next, or the changelog says
otherwise; the rest of the package may change. Examples: `docs/library.md`.
"""

from collections.abc import Iterator, Mapping

from sorobanflow.decode.reader import base64_reader
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.errors import SorobanflowError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.opening import open_lake, open_store
from sorobanflow.sources.source import fetch_batch
from sorobanflow.store.coverage import Stream, open_stream, pin_network, read_coverage
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.schema import prepare
from sorobanflow.store.upsert import upsert_batch

__all__ = [
    "BatchRows",
    "EventFilter",
    "LedgerRange",
    "PoolSettings",
    "SorobanflowError",
    "Stream",
    "decode_scval",
    "open_engine",
    "open_stream",
    "pin_network",
    "prepare",
    "read_coverage",
    "read_lake",
    "upsert_batch",
]

#: Decode the base64 XDR of an SCVal into its SEP-51 form; DecodeError if it is none.
decode_scval = base64_reader("SCVal", SC_VAL.read)


def read_lake(
    url: str,
    ledgers: LedgerRange | None = None,
    *,
    event_filter: EventFilter | None = None,
    network: str | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[BatchRows]:
    """Read a data lake (SEP-54): prove its ledgers, and give the rows of one object at a time.

    Objects come in the order of their ledgers, and are fetched one after the other.

    Args:
        url: A folder, or a URL with file, http, https, s3 or gs.
        ledgers: Default: all that the lake has.
        event_filter: What to select; then there are no rows of state. Default: everything.
        network: Passphrase that the manifest must state; needed for a lake without a manifest.
        options: Credentials and the like, as obstore names them; for s3 and gs only.

    Raises:
        LedgerMissingError: the lake does not have an object.
        LakeError: it refuses, or an object is not what its key says.
        LedgerProofError: a ledger is not what its hashes say.
        ConfigurationError: the URL, a credential or the network is wrong.
    """
    store = open_store(url, options or {}, HttpSettings(max_connections=1))
    with LakeClient(store, max_workers=1) as client:
        lake = open_lake(client, network=network, event_filter=event_filter)
        available = lake.available(ledgers)
        wanted = ledgers or LedgerRange(available.oldest, available.newest)
        for part in _objects(wanted, lake.ledgers_per_object):
            objects = fetch_batch(lake.begin_batch(part, 1)).objects
            yield make_rows(
                part, [], [], lake.passphrase, objects=objects, event_filter=event_filter
            )


def _objects(ledgers: LedgerRange, size: int) -> Iterator[LedgerRange]:
    """Cut a range where objects of this size end."""
    first = ledgers.first
    while first <= ledgers.last:
        last = min(first - first % size + size - 1, ledgers.last)
        yield LedgerRange(first, last)
        first = last + 1
