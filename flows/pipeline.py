"""The pipeline: index a ledger range, batch by batch, three batches in flight.

While one batch is decoded and written, the transactions of the next are
fetched, and the events of the one behind that are read. Batches are committed
in ledger order. Shared by every flow that indexes; leaves the choice of ranges
to them, and whether several pipelines run side by side.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner
from sqlalchemy import Engine

from sorobanflow.backfill import Probe
from sorobanflow.ledgers import LedgerRange
from sorobanflow.plan import BatchSizer
from sorobanflow.rows.batch import Batch, make_batch
from sorobanflow.rows.mass_failure import refuse_mass_failure
from sorobanflow.rpc.client import RpcClient
from sorobanflow.rpc.fetch_plan import (
    EventsFetch,
    TransactionChunk,
    TransactionPlanner,
)
from sorobanflow.rpc.filters import EventFilter
from sorobanflow.rpc.stats import RpcStats
from sorobanflow.rpc.wire import Malformed, Transaction
from sorobanflow.store.coverage import Stream
from tasks.fetch import fetch_events, fetch_transactions
from tasks.upsert import upsert_batch

Future = PrefectFuture[Any]

#: Batches whose events are read at once.
READ_AHEAD = 2
#: A batch may hold so many times its target of events, where a single ledger does not.
BURST = 5
#: Batches that an estimate reads: by then they have grown to 64 ledgers, if that few events.
PROBES = 4


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

    def probe(self, within: LedgerRange, stats: RpcStats) -> Probe:
        """Fetch and decode the first ledgers of a range, in growing batches, and write none.

        Gives what the last batch cost, so as a run's batches cost when they have
        found their size.
        """
        first, best = within.first, None
        for _ in range(PROBES):
            last = min(first + self._sizer.next_size() - 1, within.last)
            best = self._probe_batch(LedgerRange(first, last), stats)
            first = best.ledgers.last + 1
            if first > within.last:
                break
        assert best is not None
        return best

    def _probe_batch(self, ledgers: LedgerRange, stats: RpcStats) -> Probe:
        calls, size = _cost(stats)
        began = time.monotonic()
        batch = self._fetch_transactions(self._read_events(ledgers))
        self._transactions(batch)
        fetched = time.monotonic()
        self._decode(batch)
        decoded = time.monotonic()
        calls_now, size_now = _cost(stats)
        return Probe(
            batch.fetch.ledgers,
            calls_now - calls,
            size_now - size,
            fetched - began,
            decoded - fetched,
        )

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
        whole = self.source.event_filter is None
        rows = make_batch(
            fetch.ledgers, fetch.events, transactions, self.source.passphrase, whole=whole
        )
        refuse_mass_failure(rows)
        return rows

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


def _cost(stats: RpcStats) -> tuple[int, int]:
    methods = stats.snapshot().values()
    return sum(one.calls for one in methods), sum(one.size_bytes for one in methods)
