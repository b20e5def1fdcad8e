"""The pipeline: index a ledger range, batch by batch, three batches in flight.

While one batch is decoded and written, the transactions of the next are
fetched, and the events of the one behind that are read. Batches are committed
in ledger order. Shared by every flow that indexes; leaves the choice of ranges
to them.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from sqlalchemy import Engine

from blocks import Database, StellarRpc
from blocks.documents import load_block
from sorobanflow.ledgers import LedgerRange
from sorobanflow.plan import BatchSizer
from sorobanflow.rows.batch import Batch, make_batch
from sorobanflow.rpc.client import RpcClient
from sorobanflow.rpc.fetch_plan import (
    EventsFetch,
    FetchPlan,
    TransactionChunk,
    TransactionPlanner,
)
from sorobanflow.rpc.filters import EventFilter
from sorobanflow.rpc.wire import Malformed, Transaction
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, pin_network
from sorobanflow.summary import RunSummary
from tasks.fetch import fetch_events, fetch_transactions
from tasks.upsert import upsert_batch

Future = PrefectFuture[Any]

#: Batches whose events are read at once.
READ_AHEAD = 2
#: A batch may hold so many times its target of events, where a single ledger does not.
BURST = 5


@dataclass
class Source:
    """Where the data comes from: the client, its network, what is wanted and how.

    `most_events` bounds a batch where ledgers hold far more than the last ones did.
    """

    client: RpcClient
    passphrase: str
    event_filter: EventFilter | None
    planner: TransactionPlanner
    most_events: int


@dataclass
class Target:
    """Where the data goes: the engine and the stream whose coverage grows."""

    engine: Engine
    stream: Stream


class OnWritten(Protocol):
    """Called with each committed range and its rows per table."""

    def __call__(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        """Take in a committed batch."""


@dataclass
class Settings:
    """What a flow's parameters say about indexing; None: what the block says."""

    rpc: str
    database: str
    contract_ids: list[str] | None
    topics: list[list[str]] | None
    fetch_plan: FetchPlan
    batch_size: int | None
    max_workers: int | None


@contextmanager
def open_pipeline(
    settings: Settings, summary: RunSummary, on_written: OnWritten
) -> Iterator["Pipeline"]:
    """Load the blocks, check node and database against each other, start the runner.

    Raises:
        ConfigurationError: a filter or block is wrong; nothing was started.
        WrongNetworkError: the database holds another network than the node.
        SchemaError: the database's schema is not this program's.
    """
    event_filter = EventFilter.of(settings.contract_ids, settings.topics)
    node, database = load_block(StellarRpc, settings.rpc), load_block(Database, settings.database)
    workers = settings.max_workers or node.max_workers
    batch_size = settings.batch_size or node.batch_size
    planner = TransactionPlanner(
        settings.fetch_plan, event_filter is not None, workers, node.batch_calls
    )
    with ExitStack() as stack:
        client = stack.enter_context(node.client(summary.stats, workers))
        passphrase = client.get_network().passphrase
        engine = stack.enter_context(database.engine())
        schema.prepare(engine)
        pin_network(engine, passphrase)
        runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=workers)
        stack.enter_context(runner)
        # The runner waits for its tasks when it closes: on the way out of a failure or an
        # interrupt, none may go on retrying.
        stack.push(lambda kind, error, trace: client.stop() if kind else None)
        stream = Stream.of_filter(event_filter.canonical_json if event_filter else None)
        yield Pipeline(
            runner,
            Source(client, passphrase, event_filter, planner, batch_size * BURST),
            Target(engine, stream),
            BatchSizer(batch_size),
            on_written,
        )


class _BatchInFlight:
    """A batch on its way: what was submitted for it."""

    def __init__(self, fetch: EventsFetch, reading: Future) -> None:
        self.fetch = fetch
        self.reading = reading
        self.chunks: list[TransactionChunk] = []
        self.fetching: list[Future] = []


class Pipeline:
    """Indexes ledger ranges through one task runner, which caps the calls at once.

    Args:
        runner: A started task runner; all tasks of the run go through it.
        source: Client, network and filter.
        target: Engine and stream.
        sizer: Chooses the ledgers per batch.
        on_written: Called with each committed range and its rows per table.
    """

    def __init__(
        self,
        runner: TaskRunner[Any],
        source: Source,
        target: Target,
        sizer: BatchSizer,
        on_written: OnWritten,
    ) -> None:
        self.source = source
        self.target = target
        self._runner = runner
        self._sizer = sizer
        self._on_written = on_written
        self._writing: tuple[Batch, Future] | None = None

    def run(self, whole: LedgerRange) -> None:
        """Index a range; returns when all of it is committed.

        Raises:
            SorobanflowError: a batch could not be fetched; those before it are
                committed, those after it are not.
        """
        try:
            self._run(whole)
        finally:
            self._finish_write()

    def _run(self, whole: LedgerRange) -> None:
        reading: deque[_BatchInFlight] = deque()
        fetching: deque[_BatchInFlight] = deque()
        first = whole.first
        while first <= whole.last or reading or fetching:
            if first <= whole.last and len(reading) < READ_AHEAD:
                last = min(first + self._sizer.next_size() - 1, whole.last)
                reading.append(self._read_events(LedgerRange(first, last)))
                first = last + 1
            if len(reading) == READ_AHEAD or (reading and first > whole.last):
                batch = self._fetch_transactions(reading.popleft())
                fetching.append(batch)
                if batch.fetch.rest:  # fuller than thought: its other ledgers come next
                    reading.appendleft(self._read_events(batch.fetch.rest))
            if len(fetching) > 1 or (fetching and not reading and first > whole.last):
                self._write(fetching.popleft())

    def _read_events(self, ledgers: LedgerRange) -> _BatchInFlight:
        fetch = EventsFetch(ledgers, self.source.event_filter, self.source.most_events)
        parameters = {"fetch": fetch, "client": self.source.client}
        return _BatchInFlight(fetch, self._runner.submit(fetch_events, parameters))

    def _fetch_transactions(self, batch: _BatchInFlight) -> _BatchInFlight:
        batch.reading.result()
        self._sizer.learn(batch.fetch.ledgers.size, len(batch.fetch.events))
        source = self.source
        self._submit(batch, source.planner.chunks(source.client, batch.fetch))
        return batch

    def _submit(self, batch: _BatchInFlight, chunks: list[TransactionChunk]) -> None:
        batch.chunks += chunks
        for chunk in chunks:
            parameters = {"chunk": chunk, "client": self.source.client}
            batch.fetching.append(self._runner.submit(fetch_transactions, parameters))

    def _write(self, batch: _BatchInFlight) -> None:
        rows = self._decode(batch)
        self._finish_write()
        parameters = {
            "batch": rows,
            "engine": self.target.engine,
            "stream": self.target.stream.name,
        }
        self._writing = (rows, self._runner.submit(upsert_batch, parameters))

    def _decode(self, batch: _BatchInFlight) -> Batch:
        fetch, planner = batch.fetch, self.source.planner
        # Events and transactions come from different calls: they must name the same ones.
        self._submit(batch, planner.chunks_of_missing(fetch, self._transactions(batch)))
        transactions = planner.only_wanted(fetch, self._transactions(batch))
        return make_batch(fetch.ledgers, fetch.events, transactions, self.source.passphrase)

    def _transactions(self, batch: _BatchInFlight) -> list[Transaction | Malformed]:
        for future in batch.fetching:
            future.result()
        return [item for chunk in batch.chunks for item in chunk.fetch(self.source.client)]

    def _finish_write(self) -> None:
        if self._writing is not None:
            batch, future = self._writing
            self._writing = None
            future.result()
            self._on_written(batch.ledgers, batch.counts())
