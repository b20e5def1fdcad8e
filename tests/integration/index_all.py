"""Index a range in one batch and without Prefect, for tests that start where indexing ended."""

from sqlalchemy import Engine

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.fetch_plan import EventsFetch, TransactionPlanner
from sorobanflow.store.coverage import Stream, open_stream, pin_network
from sorobanflow.store.upsert import upsert_batch


def index_all(client: RpcClient, engine: Engine, ledgers: LedgerRange) -> None:
    """Store everything of these ledgers as the stream of everything."""
    passphrase = client.get_network().passphrase
    pin_network(engine, passphrase)
    open_stream(engine, Stream(), ledgers.first)
    fetch = EventsFetch(ledgers, None, 1_000_000)
    fetch.fetch(client)
    chunks = TransactionPlanner("auto", filtered=False, workers=1, batch_calls=1).chunks(
        client, fetch
    )
    transactions = [item for chunk in chunks for item in chunk.fetch(client)]
    upsert_batch(engine, make_rows(ledgers, fetch.events, transactions, passphrase), "all")
