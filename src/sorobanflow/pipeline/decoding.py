"""Make the rows of batches: in this process, or in processes beside it.

Python runs one thread at a time, so a process beside this one pays where there is a second core.
Invariants: the rows are the same wherever they are made; a process that dies costs only time.
Items, compressed ledgers and encoded rows cross the boundary, never XDR objects.
"""

import gc
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from typing import Protocol, Self

from loky import ProcessPoolExecutor
from loky.backend import get_context

from sorobanflow.ledgers import Anchor, LedgerRange
from sorobanflow.pipeline.job import Job, encoded, set_up
from sorobanflow.rows.row_maker import RowMaker
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, LedgerObject, Malformed, Transaction
from sorobanflow.store.encoded import EncodedBatch
from sorobanflow.store.layouts import layouts

#: Default maximum of processes: one writer takes no more rows than four make.
MAX_PROCESSES = 4
#: Seconds after which an idle process ends, and with them those whose parent was killed.
IDLE_S = 10
#: Items left to index from which processes are worth their start: two seconds of decoding.
PROCESSES_MIN_ITEMS = 30_000


def default_processes(whole_ledgers: bool = False) -> int:
    """One process per core, beside the one that this process needs to fetch items.

    Of whole ledgers nearly all work is decoding.
    """
    cores = len(os.sched_getaffinity(0))
    return min(MAX_PROCESSES, cores if whole_ledgers else cores - 1)


class Rows(Protocol):
    """The rows of a batch, perhaps not made yet."""

    def add_done_callback(self, fn: "Callable[[Future[EncodedBatch]], object]", /) -> None:
        """Have `fn` called once they are made, from any thread."""

    def result(self) -> EncodedBatch:
        """Wait for them.

        Raises:
            MassFailureError: too many items were bad.
            DecodeError: a number is out of range for its column.
        """


class Decoding(Protocol):
    """A batch whose rows are made of items as they arrive."""

    def add_events(self, items: Iterable[Event | Malformed], /) -> None:
        """Add events, in any order."""

    def add_transactions(self, items: Iterable[Transaction | Malformed], /) -> None:
        """Add transactions, in any order."""

    def add_objects(self, objects: Iterable[LedgerObject], /) -> None:
        """Add whole ledgers, in any order.

        Raises:
            DecodeError, LedgerProofError: a ledger is refused; at the latest by the rows.
        """

    def finish(self) -> Rows:
        """Make the rows: every item was added."""


class Decoders:
    """Begins batches; starts up to `processes` processes when there is enough work for them.

    `anchor`, `with_calls`: see `RowMaker`.
    """

    def __init__(
        self,
        passphrase: str,
        processes: int,
        anchor: Anchor | None = None,
        *,
        with_calls: bool = False,
    ) -> None:
        self._passphrase = passphrase
        self._anchor = anchor
        self._with_calls = with_calls
        self._max_processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()
        self._in_processes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(kill_workers=True)

    def begin(
        self, ledgers: LedgerRange, *, event_filter: EventFilter | None, items_left: float
    ) -> Decoding:
        """Begin a batch; `event_filter`: see `RowMaker`.

        Processes start, and are used from then on, when `items_left` from this batch on are enough.
        """
        is_worth_it = items_left >= PROCESSES_MIN_ITEMS or self._pool is not None
        if self._max_processes and is_worth_it:
            options = layouts(), self._passphrase, event_filter, self._anchor, self._with_calls
            return _InWorker(Job(ledgers, [], [], [], *options), self._submit)
        maker = RowMaker(
            ledgers,
            self._passphrase,
            event_filter=event_filter,
            anchor=self._anchor,
            with_calls=self._with_calls,
        )
        return _Here(maker)

    def _submit(self, job: Job) -> Rows:
        """Have a batch made by a process, or here if they are busy or gone."""
        future = self._try_submit(job)
        if future is None:
            return _made(job.make())
        future.add_done_callback(self._count_done)
        return _MadeInWorker(job, future)

    def _try_submit(self, job: Job) -> "Future[EncodedBatch] | None":
        with self._lock:
            if self._in_processes > self._max_processes:
                return None
            self._pool = self._pool or _start_pool(self._max_processes)
            try:
                future: Future[EncodedBatch] = self._pool.submit(job.make)
            except BrokenExecutor:
                self._pool = None
                return None
            self._in_processes += 1
            return future

    def _count_done(self, _: object) -> None:
        with self._lock:
            self._in_processes -= 1


def _start_pool(processes: int) -> ProcessPoolExecutor:
    # An idle process may end just as a job comes. Then loky starts another one, and warns.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    context = get_context("loky")
    return ProcessPoolExecutor(processes, context=context, timeout=IDLE_S, initializer=set_up)


class _Here:
    """Makes a batch's rows in the calling thread, as items arrive."""

    def __init__(self, maker: RowMaker) -> None:
        self._maker = maker
        self.add_events = maker.add_events
        self.add_transactions = maker.add_transactions
        self.add_objects = maker.add_objects

    def finish(self) -> Rows:
        return _made(encoded(self._maker.finish(), layouts()))


class _InWorker:
    """Collects a batch's items for a process."""

    def __init__(self, job: Job, submit: Callable[[Job], Rows]) -> None:
        self._job = job
        self._submit = submit
        self.add_events = job.add_events
        self.add_transactions = job.add_transactions
        self.add_objects = job.objects.extend

    def finish(self) -> Rows:
        return self._submit(self._job)


class _MadeInWorker:
    """Rows made in another process, or by the waiting thread if that process dies."""

    def __init__(self, job: Job, future: "Future[EncodedBatch]") -> None:
        self._job = job
        self._future = future
        self.add_done_callback = future.add_done_callback

    def result(self) -> EncodedBatch:
        try:
            return self._future.result()
        except BrokenExecutor:
            return self._job.make()


def _made(rows: EncodedBatch) -> "Future[EncodedBatch]":
    future: Future[EncodedBatch] = Future()
    future.set_result(rows)
    return future


@contextmanager
def reduced_gc() -> Iterator[None]:
    """Have the garbage collector skip long-lived objects while this process makes rows.

    Looking through what Prefect has imported took a sixth of the time of decoding, and
    looking through a batch another fourteenth: neither has cycles.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
