"""The pipeline: index a ledger range batch by batch, several of them in flight.

One thread starts each piece of work as soon as its input is ready: while batches are
written, the next ones are decoded and those after them fetched. Up to `MAX_WRITING`
batches are written concurrently, so one may be stored before the one that precedes it:
coverage says what is stored. Invariant: at most `MAX_IN_FLIGHT` batches are held and the
sizer bounds each, so memory is bounded.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Engine

from sorobanflow.ledgers import LedgerRange, count_ledgers, merge
from sorobanflow.pipeline.batch import Batch, Stage, Tools
from sorobanflow.pipeline.decoding import Decoders
from sorobanflow.pipeline.runner import Runner
from sorobanflow.pipeline.sizer import BatchSizer
from sorobanflow.records import BatchFailed, BatchWritten, Hook, StepDone, report
from sorobanflow.sources.source import Source
from sorobanflow.store.claims import Claims
from sorobanflow.store.coverage import Stream
from sorobanflow.store.engine import pool_of

MAX_IN_FLIGHT = 6
#: Batches of those in flight whose first round is running, and that are being written.
MAX_READING, MAX_WRITING = 2, 2
#: A batch may hold this many times the events that it aims at.
MAX_OVERSHOOT = 2


@dataclass
class Target:
    """Where the data goes: the engine, and the stream whose coverage grows."""

    engine: Engine
    stream: Stream


class OnWritten(Protocol):
    """Takes each committed range and the number of rows by table."""

    def __call__(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        """Take in a committed batch."""


class Pipeline:
    """Indexes ledger ranges; the hook gets a record of each step, commit and failure."""

    def __init__(
        self,
        runner: Runner,
        source: Source,
        decoders: Decoders,
        target: Target,
        sizer: BatchSizer,
        on_written: OnWritten,
        hook: Hook | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self._tools = Tools(runner, decoders, source.event_filter)
        self._sizer = sizer
        self._on_written = on_written
        self._hook = hook
        self._batches: deque[Batch] = deque()  # as they began; those being written first
        self._todo: list[LedgerRange] = []  # ascending
        self._replaced: Claims | None = None
        self._ends = False

    def end(self) -> None:
        """Begin no more batches, now or later; those that have begun are still committed."""
        self._ends = True

    def run(self, ledgers: LedgerRange, replaced: Claims | None = None) -> None:
        """Index a range; returns when all of it is committed, or the pipeline was to `end`.

        `replaced`: see `upsert_batch`.

        Raises:
            SorobanflowError: a batch could not be fetched or stored. Those that began before
                it are committed, and perhaps the next one if it was being written.
        """
        self._todo, self._replaced = [ledgers], replaced
        self._batches.clear()
        try:
            while self._batches or (self._todo and not self._ends):
                if not self._proceed():
                    self._wait()
        except BaseException as error:
            self._abandon(error)
            raise

    def fetch_and_decode(self, ledgers: LedgerRange) -> Batch:
        """Fetch and decode the first batch of a range, and write nothing of it."""
        self._todo = [ledgers]
        batch = self._begin_next()
        while not batch.is_measured:
            if batch.has_fetched:
                batch.fetch_on(items_left=0)
            elif batch.can_decode:
                batch.decode()
            elif batch.can_take_rows:
                batch.take_rows()
            else:
                self._wait()
        if batch.error is not None:
            raise batch.error
        self._learn(batch)
        return batch

    def _proceed(self) -> bool:
        """Do one thing that can be done now; False if there is none."""
        return (  # first what gives work to other threads
            self._finish_first()
            or self._write_next()
            or self._take_rows()
            or self._begin_another()
            or self._fetch_on()
            or self._decode_first()
        )

    def _finish_first(self) -> bool:
        """Drop the first batch when it is written; raise its error if it failed."""
        if not self._batches:
            return False
        batch = self._batches[0]
        if batch.error is not None:
            raise batch.error
        if not batch.is_written:
            return False
        self._finish(batch)
        return True

    def _write_next(self) -> bool:
        """Start to write the next batch whose rows are made."""
        writing = len(self._being_written())
        if writing in (MAX_WRITING, len(self._batches)):
            return False
        batch = self._batches[writing]
        if batch.stage is not Stage.MADE:
            return False
        report(self._hook, StepDone("fetch", batch.fetch_s))
        report(self._hook, StepDone("decode", batch.decode_s))
        batch.write(self._target.engine, self._target.stream.name, self._replaced)
        return True

    def _take_rows(self) -> bool:
        """Take the rows of the first batch of which they are made, and learn from its size."""
        batch = next((batch for batch in self._batches if batch.can_take_rows), None)
        if batch is None:
            return False
        batch.take_rows()
        if batch.stage is Stage.MADE:
            self._learn(batch)
        return True

    def _begin_another(self) -> bool:
        """Begin another batch if there is room."""
        if self._ends or not self._todo or len(self._batches) >= MAX_IN_FLIGHT:
            return False
        unknown = any(not batch.is_measured for batch in self._batches)
        if unknown and self._sizer.is_growing:  # it shows how large the next one may be
            return False
        if sum(not batch.knows_ledgers for batch in self._batches) >= MAX_READING:
            return False
        if any(batch.stage is Stage.FAILED for batch in self._batches):
            return False
        self._batches.append(self._begin_next())
        return True

    def _fetch_on(self) -> bool:
        """Start what follows in a batch of which a step has ended."""
        batch = next((batch for batch in self._batches if batch.has_fetched), None)
        if batch is None:
            return False
        ledgers_left = count_ledgers(self._todo) + batch.ledgers.size
        rest = batch.fetch_on(self._sizer.expected_items(ledgers_left))
        if rest is not None:  # what the batch left out becomes a batch when there is room
            self._todo = merge([rest, *self._todo])
        return True

    def _decode_first(self) -> bool:
        """Decode what has arrived of the first batch of which something has."""
        batch = next((batch for batch in self._batches if batch.can_decode), None)
        if batch is None:
            return False
        batch.decode()
        return True

    def _wait(self) -> None:
        self._tools.woken.wait()
        self._tools.woken.clear()

    def _begin_next(self) -> Batch:
        """Begin a batch with the first ledgers that are left, never across a hole in them."""
        first, end = self._todo.pop(0)
        together = self._source.ledgers_per_object
        last = (first + self._sizer.next_size() - 1) // together * together + together - 1
        last = min(last, end)
        if last < end:
            self._todo.insert(0, LedgerRange(last + 1, end))
        max_events = MAX_OVERSHOOT * self._sizer.target
        fetch = self._source.begin_batch(LedgerRange(first, last), max_events, len(self._batches))
        return Batch(fetch, self._tools)

    def _finish(self, batch: Batch) -> None:
        self._batches.remove(batch)
        written = batch.written()
        self._sizer.wrote(batch.items, written.seconds)
        report(self._hook, StepDone("write", written.seconds))
        stream = self._target.stream.name
        report(self._hook, BatchWritten(stream, batch.ledgers, written.rows, batch.size_bytes))
        self._on_written(batch.ledgers, written.rows)

    def _being_written(self) -> list[Batch]:
        """List the batches whose writing began; written ones wait for those before them."""
        return [batch for batch in self._batches if batch.stage is Stage.WRITING]

    def _learn(self, batch: Batch) -> None:
        self._sizer.learn(batch.ledgers.size, batch.items, batch.size_bytes)

    def _abandon(self, error: BaseException) -> None:
        """Wait for the batches that are being written; an interrupt cuts them off instead."""
        if not isinstance(error, Exception):
            self._source.stop()
            pool_of(self._target.engine).stop()
        report(self._hook, BatchFailed(type(error).__name__))
        for batch in self._being_written():
            with suppress(Exception):  # what ends the run is `error`
                self._finish(batch)
