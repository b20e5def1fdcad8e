"""A batch on its way: fetched in rounds of steps, decoded into rows, written.

`pipeline` decides when a batch proceeds. Invariants: no method waits; an error becomes the
batch's own, so that the batches before it are still committed. The stages, in order:

    FETCHING   steps are running; what they brought can be decoded already
    DECODING   every item was handed to the decoder, which may be another process
    MADE       the rows are there, and with them the number of items
    WRITING    the step upsert-batch is running; the pipeline drops the batch after it
    FAILED     `error` says why; nothing further happens to the batch
"""

import threading
import time
from collections.abc import Sequence
from enum import Enum, auto
from typing import Literal

from sqlalchemy import Engine

from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders, Decoding
from sorobanflow.pipeline.runner import Awaited, Runner, Started, Step
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.source import BatchFetch, Fetched, FetchedItems, FetchStep
from sorobanflow.store.claims import Claims
from sorobanflow.store.encoded import EncodedBatch
from sorobanflow.store.upsert import Written, upsert_batch


class Stage(Enum):
    """How far a batch has come."""

    FETCHING = auto()
    DECODING = auto()
    MADE = auto()
    WRITING = auto()
    FAILED = auto()


class Tools:
    """What the batches of a pipeline share; `woken` is set when a step or a decoder has ended.

    `event_filter`: see `RowMaker`.
    """

    def __init__(
        self, runner: Runner, decoders: Decoders, event_filter: EventFilter | None
    ) -> None:
        self.decoders = decoders
        self.event_filter = event_filter
        self.woken = threading.Event()
        self._runner = runner

    def start(self, step: Step, after: Sequence[Awaited] = ()) -> Awaited:
        """Start a step."""
        return self.watch(self._runner.start(step, [one.future for one in after]))

    def watch(self, future: Started) -> Awaited:
        """Have `woken` set when a result has come."""
        return Awaited(future, self.woken.set)


class UpsertStep:
    """Stores a batch and its coverage, in one database transaction."""

    kind: Literal["upsert-batch"] = "upsert-batch"

    def __init__(
        self, engine: Engine, rows: EncodedBatch, stream: str, replaced: Claims | None
    ) -> None:
        self.label = str(rows.ledgers)
        self._engine = engine
        self._rows = rows
        self._stream = stream
        self._replaced = replaced

    def run(self) -> Written:
        """Store the batch."""
        return upsert_batch(self._engine, self._rows, self._stream, self._replaced)


class Batch:
    """A batch of whole ledgers; its first round of steps starts immediately.

    Attributes:
        items: Number of events and transactions that arrived; of whole ledgers, once it is MADE.
        size_bytes: Bytes of their XDR.
        fetch_s: Seconds from the beginning to the last item.
        decode_s: Seconds that decoding took this process, or another one while this one waited;
            once it is MADE.
    """

    def __init__(self, fetch: BatchFetch, tools: Tools) -> None:
        self.stage = Stage.FETCHING
        self.error: Exception | None = None
        self.items = self.size_bytes = 0
        self.fetch_s = self.decode_s = self._decoded_at = 0.0
        self._began_at = time.monotonic()
        self._fetch = fetch
        self._tools = tools
        self._running: list[tuple[FetchStep, Awaited]] = []
        self._round: list[Awaited] = []
        self._arrived: list[FetchedItems] = []
        self._decoding: Decoding | None = None
        self._rows: Awaited | None = None
        self._made: EncodedBatch | None = None
        self._upsert: Awaited | None = None
        self._start_round()

    @property
    def ledgers(self) -> LedgerRange:
        """Its ledgers; those requested until it `knows_ledgers`."""
        return self._fetch.ledgers

    @property
    def knows_ledgers(self) -> bool:
        """Whether the first round has ended and shown which ledgers the batch holds."""
        return self._decoding is not None or self.stage is not Stage.FETCHING

    @property
    def has_fetched(self) -> bool:
        """Whether `fetch_on` has something to do."""
        return self.stage is Stage.FETCHING and any(one.is_done for _, one in self._running)

    @property
    def can_decode(self) -> bool:
        """Whether `decode` has something to do."""
        return (
            self.stage is Stage.FETCHING
            and self._decoding is not None
            and bool(self._arrived or not self._running)
        )

    @property
    def is_measured(self) -> bool:
        """Whether it is known how much the batch holds."""
        return self.stage not in (Stage.FETCHING, Stage.DECODING)

    @property
    def can_take_rows(self) -> bool:
        """Whether `take_rows` has something to do."""
        return self.stage is Stage.DECODING and self._rows is not None and self._rows.is_done

    @property
    def is_written(self) -> bool:
        """Whether the writing has ended, well or not."""
        return self._upsert is not None and self._upsert.is_done

    def fetch_on(self, items_left: float) -> LedgerRange | None:
        """Take what the ended steps brought; after the last one of a round, start the next.

        Gives the ledgers that the batch leaves out, when its first round has shown that.
        """
        try:
            self._collect()
            if self._running:
                return None
            self._start_round()
            if self._decoding is not None:
                return None
            self._decoding = self._tools.decoders.begin(
                self.ledgers, event_filter=self._tools.event_filter, items_left=items_left
            )
            return self._fetch.rest
        except Exception as error:
            self._fail(error)
            return None

    def decode(self) -> None:
        """Decode one step's items, or have the rows made when everything was decoded."""
        assert self._decoding is not None
        began = time.monotonic()
        try:
            if self._arrived:
                items = self._arrived.pop(0)
                self._decoding.add_events(items.events)
                self._decoding.add_transactions(items.transactions)
                self._decoding.add_objects(items.objects)
            if not self._arrived and not self._running:
                self._rows = self._tools.watch(self._decoding.finish())
                self._decoding = None  # and with it the items
                self.stage = Stage.DECODING
        except Exception as error:
            self._fail(error)
        self._decoded_at = time.monotonic()
        self.decode_s += self._decoded_at - began

    def take_rows(self) -> None:
        """Take the rows that were made, unless too many items were bad."""
        assert self._rows is not None
        try:
            rows: EncodedBatch = self._rows.future.result()
            self.decode_s += max(0.0, self._rows.done_at - self._decoded_at)
            self._made, self._rows = rows, None
            self.items = max(self.items, rows.counts["events"] + rows.counts["transactions"])
            self.stage = Stage.MADE
        except Exception as error:
            self._fail(error)

    def write(self, engine: Engine, stream: str, replaced: Claims | None) -> None:
        """Start to write the rows; `replaced`: see `upsert_batch`."""
        assert self._made is not None
        try:
            step = UpsertStep(engine, self._made, stream, replaced)
            self._upsert = self._tools.start(step, after=self._round)
            self.stage = Stage.WRITING
        except Exception as error:
            self._fail(error)

    def written(self) -> Written:
        """Wait for the writing; gives what was written, or raises why it was not."""
        assert self._upsert is not None
        written: Written = self._upsert.future.result()
        return written

    def _collect(self) -> None:
        for step, awaited in [one for one in self._running if one[1].is_done]:
            fetched: Fetched = awaited.future.result()
            self._running.remove((step, awaited))
            self._arrived.append(step.take())
            self.items += fetched.events + fetched.transactions
            self.size_bytes += fetched.size_bytes
            self.fetch_s = max(self.fetch_s, awaited.done_at - self._began_at)

    def _start_round(self) -> None:
        """Start the next round of steps, if there is one, after those of the last."""
        steps = self._fetch.next_steps()
        self._running = [(step, self._tools.start(step, after=self._round)) for step in steps]
        self._round = [awaited for _, awaited in self._running] or self._round

    def _fail(self, error: Exception) -> None:
        self.error = error
        self.stage = Stage.FAILED
