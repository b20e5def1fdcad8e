"""A batch in flight: its events are read, its transactions fetched, its rows made.

Beneath `pipeline`, which says when a batch goes on and has it written. Invariants:
a step is taken when what it needs has come, so nothing here waits; a failure is
kept as the batch's own, so that the batches before it are still committed.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner
from prefect.tasks import Task

from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Makers, Making, Rows
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.fetch_plan import (
    BatchFetch,
    EventsFetch,
    TransactionChunk,
    TransactionPlanner,
)
from sorobanflow.sources.rpc.filters import EventFilter
from tasks.fetch_events import fetch_batch, fetch_transactions


@dataclass
class Source:
    """Where the data comes from, of which network, what is wanted, and who makes its rows."""

    client: RpcClient
    passphrase: str
    event_filter: EventFilter | None
    planner: TransactionPlanner
    makers: Makers


class Awaited:
    """Something under way; rings a bell when it is done, and notes when that was.

    A future keeps its callbacks, so they do not refer back to it: with 5,000 items in
    each cycle, the collector took hundreds of MiB to come to them.
    """

    def __init__(self, future: "PrefectFuture[Any] | Rows", bell: threading.Event) -> None:
        self._future = future
        self._end = _End(bell)
        future.add_done_callback(self._end.note)

    @property
    def done(self) -> bool:
        """Whether it is done."""
        return self._end.at is not None

    @property
    def done_at(self) -> float:
        """When that was, monotonic; 0.0 until then."""
        return self._end.at or 0.0

    def result(self) -> Any:  # noqa: ANN401 - whatever the future gives
        """Give what came of it, waiting if need be."""
        return self._future.result()

    def check(self) -> None:
        """Raise what it raised, if anything.

        Prefect's `result` goes by way of its event loop, one to two milliseconds
        of waiting for a value that is not there.
        """
        if isinstance(self._future, PrefectFuture):
            self._future.wait()
            if self._future.state.is_completed():
                return
        self._future.result()


class _End:
    """When something was done; `note` rings the bell."""

    def __init__(self, bell: threading.Event) -> None:
        self.at: float | None = None
        self._bell = bell

    def note(self, _: object) -> None:
        self.at = time.monotonic()
        self._bell.set()


class Lane:
    """Starts tasks on a runner; the bell rings when one of them is done."""

    def __init__(self, runner: TaskRunner[Any]) -> None:
        self._runner = runner
        self.bell = threading.Event()

    def submit(self, task: Task[Any, Any], **parameters: object) -> Awaited:
        """Start a task."""
        return Awaited(self._runner.submit(task, parameters), self.bell)


class BatchInFlight:
    """A batch on its way from ledgers to rows; begins to read at once.

    Args:
        ledgers: The ledgers to read; it keeps fewer if they hold too many events.
        source: Where from.
        most_events: Events at which the batch is full.
        beside: Batches in flight beside this one.
        lane: Where tasks start.

    Attributes:
        ledgers: Its ledgers; until `is_planned`, those asked for.
        rest: What was asked for and left out because the batch was full.
        items: Events and transactions that it holds, once `rows` is set.
        size_bytes: Bytes of their XDR, likewise.
        fetch_s: Seconds from its begin to the last answer, likewise.
        rows: The rows, once all they are made of has come.
        writing: Their upsert; the pipeline's.
        error: Why the batch goes no further.
    """

    def __init__(
        self, ledgers: LedgerRange, source: Source, most_events: int, beside: int, lane: Lane
    ) -> None:
        self.ledgers = ledgers
        self.rest: LedgerRange | None = None
        self.items = self.size_bytes = 0
        self.fetch_s = self._make_s = self._made_at = 0.0
        self._began = time.monotonic()
        self.rows: Awaited | None = None
        self.writing: Awaited | None = None
        self.error: Exception | None = None
        self._source = source
        self._lane = lane
        self._fetch = EventsFetch(ledgers, source.event_filter, most_events)
        self._first = BatchFetch(self._fetch, source.planner, beside, lane.bell.set)
        self._reading = lane.submit(fetch_batch, fetch=self._first, client=source.client)
        self._making: Making | None = None
        self._events_added = False
        self._fetching: list[_Fetching] = []
        self._came: list[Transaction | Malformed] = []
        self._asked_again = False

    @property
    def is_planned(self) -> bool:
        """Whether its events are read and its transactions asked for."""
        return self._making is not None or self.error is not None

    @property
    def can_plan(self) -> bool:
        """Whether `plan` has what it needs."""
        return not self.is_planned and (self._first.is_planned or self._reading.done)

    @property
    def can_make(self) -> bool:
        """Whether `make` has something to make rows of."""
        if self._making is None or self.rows is not None or self.error is not None:
            return False
        return not self._events_added or not self._fetching or self._next_chunk() is not None

    @property
    def decode_s(self) -> float:
        """Seconds that decoding took this process, or it waited for its helpers."""
        waited = self.rows.done_at - self._made_at if self.rows is not None else 0.0
        return self._make_s + max(0.0, waited)

    def plan(self, *, much_left: bool) -> None:
        """Start to fetch the transactions of the events that were read.

        The first chunk is fetched already, by the task that has read the events.

        Args:
            much_left: See `Makers.begin`.
        """
        try:
            if not self._first.is_planned:
                self._reading.check()
            source = self._source
            self.ledgers, self.rest = self._fetch.ledgers, self._fetch.rest
            self._fetching.append(_Fetching(self._first, self._reading))
            self._start(self._first.others)
            whole = source.event_filter is None
            self._making = source.makers.begin(self.ledgers, whole=whole, much_left=much_left)
        except Exception as error:
            self.error = error

    def make(self) -> None:
        """Make rows of what has come: the events, then the transactions chunk by chunk."""
        began = time.monotonic()
        try:
            assert self._making is not None
            self._make(self._making)
        except Exception as error:
            self.error = error
        self._made_at = time.monotonic()
        self._make_s += self._made_at - began

    def _make(self, making: Making) -> None:
        planner, client = self._source.planner, self._source.client
        if not self._events_added:
            making.add_events(self._fetch.events)
            self._events_added = True
            return
        if chunk := self._next_chunk():
            self._fetching.remove(chunk)
            self._answered(chunk.awaited)
            items = chunk.result(client)
            self._came += items
            making.add_transactions(planner.only_wanted(self._fetch, items))
        if not self._fetching and not self._asked_again:
            # Events and transactions come from different calls: they must name the same ones.
            self._asked_again = True
            self._start(planner.chunks_of_missing(client, self._fetch, self._came))
        if not self._fetching:
            self._finish(making)

    def _finish(self, making: Making) -> None:
        self._source.planner.learn(self.ledgers, len(self._came))
        self.items = len(self._fetch.events) + len(self._came)
        self.size_bytes = sum(item.size_bytes for item in [*self._came, *self._fetch.events])
        # A batch in writing need not hold what its rows were made of.
        del self._came, self._fetch, self._first
        self.rows = Awaited(making.finish(), self._lane.bell)

    def _start(self, chunks: list[TransactionChunk]) -> None:
        client = self._source.client
        self._fetching += [
            _Fetching(chunk, self._lane.submit(fetch_transactions, chunk=chunk, client=client))
            for chunk in chunks
        ]

    def _answered(self, awaited: Awaited) -> None:
        self.fetch_s = max(self.fetch_s, awaited.done_at - self._began)

    def _next_chunk(self) -> "_Fetching | None":
        return next((one for one in self._fetching if one.awaited.done), None)


class _Fetching(NamedTuple):
    """A chunk of transactions that is being fetched."""

    chunk: TransactionChunk | BatchFetch
    awaited: Awaited

    def result(self, client: RpcClient) -> list[Transaction | Malformed]:
        self.awaited.check()
        return self.chunk.fetch(client)  # it is fetched: this gives what it has
