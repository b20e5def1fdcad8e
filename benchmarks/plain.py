"""The work of a batch as plain calls of the core: no Prefect, no pipeline.

What the flow is compared with, and what tells the cost of its parts. The core's
functions are called here and nowhere else in the benchmarks.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Engine

from sorobanflow.decode.events import scval_json, topics_json
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.client import MAX_EVENTS, RpcClient
from sorobanflow.sources.rpc.events_walk import EventsRead, EventsWalk
from sorobanflow.sources.rpc.jsonrpc_batch import Answer
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.wire import NotFound
from sorobanflow.store.coverage import (
    Coverage,
    Stream,
    open_stream,
    pin_network,
    read_coverage,
)
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.upsert import upsert_batch
from tests.fetch_range import FetchedBatch

STREAM = Stream()
MAX_LEDGERS = 10_000  # that one getEvents call scans


def node_ledgers(client: RpcClient) -> LedgerRange:
    """Give the ledgers that the node has."""
    node = client.get_health()
    return LedgerRange(node.oldest_ledger, node.latest_ledger)


def read_events(client: RpcClient, ledgers: LedgerRange) -> list[Event | Malformed]:
    """Read all events of a range."""
    return EventsWalk(ledgers).read(client).events


def hashes(events: Iterable[Event | Malformed]) -> list[str]:
    """Give the transactions that events name, in order."""
    return [*dict.fromkeys(event.tx_hash for event in events if isinstance(event, Event))]


def found(answers: Iterable[Answer]) -> list[Transaction | Malformed]:
    """Give the transactions of answers to getTransaction."""
    return [answer for answer in answers if not isinstance(answer, NotFound)]


def fetch_batches(
    client: RpcClient,
    max_events: int = MAX_EVENTS,
    workers: int = 10,
    whole: LedgerRange | None = None,
    ledgers_each: int = MAX_LEDGERS,
) -> Iterator[FetchedBatch]:
    """Fetch ledgers in batches, by default all that the node has.

    The calling thread reads the events of the next batch while workers fetch the
    transactions of this one.

    Args:
        client: Client of the node.
        max_events: Events at which a batch is full.
        workers: Concurrent calls for transactions.
        whole: The ledgers.
        ledgers_each: Maximum of ledgers in a batch.
    """
    todo = whole or node_ledgers(client)
    planner = TransactionPlanner("ledgers", filtered=False, workers=workers, batch_calls=1)
    before: _Fetching | None = None
    with ThreadPoolExecutor(workers) as pool:
        while todo.size > 0:
            last = min(todo.first + ledgers_each - 1, todo.last)
            walk = EventsWalk(LedgerRange(todo.first, last), max_events=max_events)
            read = walk.read(client)
            chunks = planner.chunks(client, read)
            batch = _Fetching(read, [pool.submit(chunk.fetch, client) for chunk in chunks])
            if before is not None:
                yield _fetched(before)
            before = batch
            todo = LedgerRange(read.ledgers.last + 1, todo.last)
        if before is not None:
            yield _fetched(before)


class _Fetching(NamedTuple):
    """A batch whose events were read and whose transactions are being fetched."""

    read: EventsRead
    transactions: "list[Future[list[Transaction | Malformed]]]"


def _fetched(batch: _Fetching) -> FetchedBatch:
    transactions = [item for future in batch.transactions for item in future.result()]
    return FetchedBatch(batch.read.ledgers, batch.read.events, transactions)


def decode_all(batches: Iterable[FetchedBatch]) -> None:
    """Decode what was fetched, and keep nothing of it."""
    for batch in batches:
        for transaction in batch.transactions:
            assert isinstance(transaction, Transaction)
            decode_transaction(transaction)
        for event in batch.events:
            assert isinstance(event, Event)
            decode_event(event)


def decode_event(event: Event) -> None:
    """Decode an event, and keep nothing of it."""
    topics_json(event.topic or ())
    scval_json(event.value)


def rows_of(fetched: FetchedBatch, passphrase: str) -> BatchRows:
    """Decode what was fetched and make its rows."""
    batch = make_rows(*fetched, passphrase)
    assert not batch.quarantine, batch.quarantine[0].error
    return batch


def write(engine: Engine, batch: BatchRows) -> None:
    """Write a batch and its coverage, in one transaction."""
    upsert_batch(engine, batch, STREAM.name)


def covered(engine: Engine) -> Coverage:
    """Read which ledgers are stored."""
    return read_coverage(engine, STREAM.name)


def newest(engine: Engine) -> int:
    """Give the newest ledger that is stored; 0: none."""
    parts = covered(engine).covered
    return parts[-1].last if parts else 0


@contextmanager
def open_store(database_url: str, client: RpcClient) -> Iterator[Engine]:
    """Open a database that has the tables, ready for batches of the client's network."""
    with open_engine(database_url, PoolSettings(max_idle=1, max_open=10)) as engine:
        pin_network(engine, client.get_network().passphrase)
        open_stream(engine, STREAM, node_ledgers(client).first)
        yield engine
