"""Index a range in one batch and without Prefect, for tests that start where indexing ended."""

from sqlalchemy import Engine

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store.coverage import Stream, open_stream, pin_network
from sorobanflow.store.upsert import upsert_batch
from tests.fetch_range import fetch_range


def index_all(client: RpcClient, engine: Engine, ledgers: LedgerRange) -> None:
    """Store everything of these ledgers as the stream of everything."""
    passphrase = client.get_network().passphrase
    pin_network(engine, passphrase)
    open_stream(engine, Stream(), ledgers.first)
    planner = TransactionPlanner("auto", filtered=False, workers=1, batch_calls=1)
    (fetched,) = fetch_range(RpcSource(client, passphrase, None, planner), ledgers, 1_000_000)
    upsert_batch(engine, make_rows(*fetched, passphrase), "all")
