"""The pipeline: index a ledger range, batch by batch, several of them in flight.

While batches are written, the next are decoded, fetched and read. At most the first
`WRITERS` are written at once, each in a transaction of its own, so one may be stored
before the one that it follows: coverage says what is there. Shared by every flow that
indexes; leaves the choice of ranges to them, and whether several pipelines run side by
side. Invariant: at most `IN_FLIGHT` batches are held, and the sizer bounds each, so
memory is bounded.
"""

import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from prefect.task_runners import TaskRunner
from sqlalchemy import Engine

from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.backfill import Probe
from sorobanflow.pipeline.batch import BatchInFlight, Lane, Source
from sorobanflow.pipeline.sizer import BatchSizer
from sorobanflow.records import BatchFailed, BatchWritten, Hook, StepDone, report
from sorobanflow.rows.mass_failure import refuse_mass_failure
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Stream
from sorobanflow.store.pool import stop_engine
from sorobanflow.store.upsert import Written
from tasks.upsert_batch import upsert_batch

#: Batches in flight at once, and of them those whose events are being read, or that are written.
IN_FLIGHT, READ_AHEAD, WRITERS = 6, 2, 2
#: A batch may hold so many times its aim of events, where its ledgers hold more than thought.
BURST = 2
#: Items left to index from which processes are worth their start: two seconds of decoding.
MUCH = 30_000
#: Batches that an estimate reads: by then they have grown to 64 ledgers, if that few events.
PROBES = 2


@dataclass
class Target:
    """Where the data goes: the engine and the stream whose coverage grows."""

    engine: Engine
    stream: Stream


class OnWritten(Protocol):
    """Called with each committed range and its rows per table."""

    def __call__(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        """Take in a committed batch."""


class Pipeline:
    """Indexes ledger ranges through one task runner, which caps the calls at once.

    Args:
        runner: A started task runner; all tasks of the run go through it.
        source: Client, filter and makers of rows.
        target: Engine and stream.
        sizer: Chooses the ledgers per batch.
        on_written: Called with each committed range and its rows per table.
        hook: Gets a record of each step, commit and failure.
    """

    def __init__(
        self,
        runner: TaskRunner[Any],
        source: Source,
        target: Target,
        sizer: BatchSizer,
        on_written: OnWritten,
        hook: Hook | None = None,
    ) -> None:
        self.source = source
        self.target = target
        self._lane = Lane(runner)
        self._sizer = sizer
        self._on_written = on_written
        self._hook = hook
        self._batches: deque[BatchInFlight] = deque()  # in ledger order
        self._todo = LedgerRange(1, 0)

    def run(self, whole: LedgerRange) -> None:
        """Index a range; returns when all of it is committed.

        Raises:
            SorobanflowError: a batch could not be fetched or stored; those before it
                are committed, and of those after it what was being written beside it.
        """
        self._todo = whole
        self._batches.clear()
        # What keeps others busy comes before what keeps this thread busy.
        steps = (self._commit, self._write, self._read, self._plan, self._make)
        try:
            while self._todo.size > 0 or self._batches:
                if not any(step() for step in steps):
                    self._wait()
        except BaseException as error:
            if not isinstance(error, Exception):  # told to stop: nothing below may hold it up
                self.source.client.stop()
                stop_engine(self.target.engine)
            report(self._hook, BatchFailed(type(error).__name__))
            for batch in self._being_written():
                with suppress(Exception):  # what ends the run is `error`
                    self._finish_write(batch)
            raise

    def probe(self, within: LedgerRange, stats: RpcStats) -> Probe:
        """Fetch and decode the first ledgers of a range, in growing batches, and write none.

        Gives what the last batch cost, so as a run's batches cost when they have
        found their size.
        """
        best = None
        self._todo = within
        for _ in range(PROBES):
            best = self._probe_batch(stats)
            if self._todo.size <= 0:
                break
        assert best is not None
        return best

    def _probe_batch(self, stats: RpcStats) -> Probe:
        calls, size = _cost(stats)
        began, making_s = time.monotonic(), 0.0
        batch = self._begin()
        while batch.rows is None and batch.error is None:
            if batch.can_plan:
                batch.plan(much_left=False)
            elif batch.can_make:
                making = time.monotonic()
                batch.make()
                making_s += time.monotonic() - making
            else:
                self._wait()
        if batch.error is not None:
            raise batch.error
        self._learn(batch)
        self._todo = LedgerRange(batch.ledgers.last + 1, self._todo.last)
        calls_now, size_now = _cost(stats)
        seconds = time.monotonic() - began - making_s
        return Probe(batch.ledgers, calls_now - calls, size_now - size, seconds, making_s)

    def _wait(self) -> None:
        self._lane.bell.wait()
        self._lane.bell.clear()

    def _begin(self) -> BatchInFlight:
        """Begin a batch with the first ledgers that are left."""
        first, whole_last = self._todo
        last = min(first + self._sizer.next_size() - 1, whole_last)
        self._todo = LedgerRange(last + 1, whole_last)
        return self._begin_with(LedgerRange(first, last))

    def _begin_with(self, ledgers: LedgerRange) -> BatchInFlight:
        most_events, beside = BURST * self._sizer.target, len(self._batches)
        return BatchInFlight(ledgers, self.source, most_events, beside, self._lane)

    def _commit(self) -> bool:
        """Take out the first batch when it is committed, or fail with it."""
        if not self._batches:
            return False
        batch = self._batches[0]
        if batch.error is not None:
            raise batch.error
        if batch.writing is None or not batch.writing.done:
            return False
        self._finish_write(batch)
        return True

    def _finish_write(self, batch: BatchInFlight) -> None:
        assert batch.writing is not None
        self._batches.remove(batch)
        batch.writing.check()
        written: Written = batch.writing.result()
        self._sizer.wrote(batch.items, written.seconds)
        stream = self.target.stream.name
        report(self._hook, StepDone("write", written.seconds))
        report(self._hook, BatchWritten(stream, batch.ledgers, written.rows, batch.size_bytes))
        self._on_written(batch.ledgers, written.rows)

    def _being_written(self) -> list[BatchInFlight]:
        """The batches whose writing began: the first ones."""
        return [batch for batch in self._batches if batch.writing is not None]

    def _write(self) -> bool:
        """Have the next batch written when its rows are made."""
        writing = len(self._being_written())  # committed ones included that wait for the first
        if writing in (WRITERS, len(self._batches)):
            return False
        batch = self._batches[writing]
        if batch.error is not None or batch.rows is None or not batch.rows.done:
            return False
        rows = batch.rows.result()
        report(self._hook, StepDone("fetch", batch.fetch_s))
        report(self._hook, StepDone("decode", batch.decode_s))
        refuse_mass_failure(rows)
        engine, stream = self.target.engine, self.target.stream.name
        batch.writing = self._lane.submit(upsert_batch, engine=engine, rows=rows, stream=stream)
        return True

    def _read(self) -> bool:
        """Begin another batch if there is room; the first one alone, to learn from it."""
        if self._todo.size <= 0 or len(self._batches) >= IN_FLIGHT:
            return False
        reading = sum(not batch.is_planned for batch in self._batches)
        if reading >= READ_AHEAD or (self._batches and not self._sizer.knows):
            return False
        if any(batch.error for batch in self._batches):
            return False
        self._batches.append(self._begin())
        return True

    def _plan(self) -> bool:
        """Have the transactions of a batch fetched whose events are read."""
        for index, batch in enumerate(self._batches):
            if not batch.can_plan:
                continue
            left = self._sizer.expected_items(self._todo.size + batch.ledgers.size)
            batch.plan(much_left=left >= MUCH)
            if batch.rest and batch.error is None:
                self._put_back(batch.rest, index)
            return True
        return False

    def _put_back(self, rest: LedgerRange, index: int) -> None:
        """Keep for later what a batch left out because it was full."""
        if index == len(self._batches) - 1:
            self._todo = LedgerRange(rest.first, max(rest.last, self._todo.last))
            return
        self._batches.insert(index + 1, self._begin_with(rest))

    def _make(self) -> bool:
        """Make rows of what has come, for the first batch of which something has."""
        batch = next((batch for batch in self._batches if batch.can_make), None)
        if batch is None:
            return False
        batch.make()
        if batch.rows is not None:
            self._learn(batch)
        return True

    def _learn(self, batch: BatchInFlight) -> None:
        self._sizer.learn(batch.ledgers.size, batch.items, batch.size_bytes)


def _cost(stats: RpcStats) -> tuple[int, int]:
    methods = stats.snapshot().values()
    return sum(one.calls for one in methods), sum(one.size_bytes for one in methods)
