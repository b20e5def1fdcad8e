"""Index a range in one batch and without Prefect, for tests that start where indexing ended."""

from sqlalchemy import Engine

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store.coverage import Stream, open_stream, pin_network
from sorobanflow.store.upsert import upsert_batch
from tests.fetch_range import fetch_range


def source_of(client: RpcClient, event_filter: EventFilter | None = None) -> RpcSource:
    """Make the source of everything that a node has, or of what a filter selects."""
    filtered = event_filter is not None
    planner = TransactionPlanner("auto", filtered=filtered, workers=1, batch_calls=1)
    return RpcSource(client, client.get_network().passphrase, event_filter, planner)


def index_all(client: RpcClient, engine: Engine, ledgers: LedgerRange) -> None:
    """Store everything of these ledgers as the stream of everything."""
    source = source_of(client)
    pin_network(engine, source.passphrase)
    open_stream(engine, Stream(), ledgers.first)
    (fetched,) = fetch_range(source, ledgers, 1_000_000)
    upsert_batch(engine, make_rows(*fetched, source.passphrase), "all")
