"""Where the rows of batches are made: here, or in processes of their own.

Around `batch`, for pipelines. Decoding is nearly all of the indexer's own work
and Python runs one thread at a time, so with a second core a process beside this
one is worth having. Invariants: the rows are the same wherever they are made; a
process that dies costs nothing but time, since its batch is then made here.
Items and rows cross the boundary, never XDR objects.
"""

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from typing import NamedTuple, Protocol, Self

from loky import ProcessPoolExecutor
from loky.backend import get_context

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import RowMaker, make_rows
from sorobanflow.sources.items import Event, Malformed, Transaction

#: Processes at most by default: one writer takes no more rows than four make.
MOST_PROCESSES = 4
#: Seconds after which an idle process ends, and with them those whose parent was killed.
IDLE_S = 10


def processes_by_default() -> int:
    """One process per core beside the one that this process needs."""
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)) - 1)


class Rows(Protocol):
    """The rows of a batch, perhaps not made yet."""

    def add_done_callback(self, fn: "Callable[[Future[BatchRows]], object]", /) -> None:
        """Have `fn` called once they are made, from any thread."""

    def result(self) -> BatchRows:
        """Wait for them."""


class Making(Protocol):
    """A batch whose rows are made of items as they come."""

    def add_events(self, items: Iterable[Event | Malformed], /) -> None:
        """Add events in the order of delivery."""

    def add_transactions(self, items: Iterable[Transaction | Malformed], /) -> None:
        """Add transactions in the order of delivery."""

    def finish(self) -> Rows:
        """Take it that everything is there."""


class Makers:
    """Begins batches; its processes start when there is work for them.

    Args:
        passphrase: Of the network.
        processes: Processes at most; 0: everything is made here.
    """

    def __init__(self, passphrase: str, processes: int) -> None:
        self._passphrase = passphrase
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()
        self._under_way = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(kill_workers=True)

    def begin(self, ledgers: LedgerRange, *, whole: bool, much_left: bool) -> Making:
        """Begin a batch.

        Args:
            ledgers: Its ledgers.
            whole: See `RowMaker`.
            much_left: Whether so much is to be made that processes are worth their start;
                once they run, they are used.
        """
        if self._processes and (much_left or self._pool is not None):
            return _Elsewhere(_Job(ledgers, [], [], self._passphrase, whole), self._submit)
        return _Here(ledgers, self._passphrase, whole)

    def _submit(self, job: "_Job") -> Rows:
        """Have a batch made by a process, or here if they have enough to do or are gone."""
        future = self._try_submit(job)
        if future is None:
            return _made(job.make())
        future.add_done_callback(self._count_done)
        return _MadeElsewhere(job, future)

    def _try_submit(self, job: "_Job") -> "Future[BatchRows] | None":
        with self._lock:
            if self._under_way > self._processes:
                return None
            self._pool = self._pool or ProcessPoolExecutor(
                self._processes, context=get_context("loky"), timeout=IDLE_S, initializer=_set_up
            )
            try:
                future: Future[BatchRows] = self._pool.submit(job.make)
            except BrokenExecutor:
                self._pool = None
                return None
            self._under_way += 1
            return future

    def _count_done(self, _: object) -> None:
        with self._lock:
            self._under_way -= 1


class _Job(NamedTuple):
    """What a process needs to make a batch."""

    ledgers: LedgerRange
    events: list[Event | Malformed]
    transactions: list[Transaction | Malformed]
    passphrase: str
    whole: bool

    def make(self) -> BatchRows:
        ledgers, events, transactions, passphrase, whole = self
        return make_rows(ledgers, events, transactions, passphrase, whole=whole)


class _Here:
    """Makes a batch in the calling thread, item by item as they come."""

    def __init__(self, ledgers: LedgerRange, passphrase: str, whole: bool) -> None:
        self._maker = RowMaker(ledgers, passphrase, whole=whole)
        self.add_events = self._maker.add_events
        self.add_transactions = self._maker.add_transactions

    def finish(self) -> Rows:
        return _made(self._maker.finish())


class _Elsewhere:
    """Collects a batch's items for a process."""

    def __init__(self, job: _Job, submit: Callable[[_Job], Rows]) -> None:
        self._job = job
        self._submit = submit
        self.add_events = job.events.extend
        self.add_transactions = job.transactions.extend

    def finish(self) -> Rows:
        return self._submit(self._job)


class _MadeElsewhere:
    """Rows that a process makes, or if it dies the one who waits for them."""

    def __init__(self, job: _Job, future: "Future[BatchRows]") -> None:
        self._job = job
        self._future = future
        self.add_done_callback = future.add_done_callback

    def result(self) -> BatchRows:
        try:
            return self._future.result()
        except BrokenExecutor:
            return self._job.make()


def _made(batch: BatchRows) -> "Future[BatchRows]":
    future: Future[BatchRows] = Future()
    future.set_result(batch)
    return future


@contextmanager
def seldom_looking_for_garbage() -> Iterator[None]:
    """Spare the collector what stays anyway, where rows are made here.

    What Prefect has imported took a sixth of the time of decoding, to look through it
    again and again, and what a batch is made of another fourteenth: it has no cycles.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _set_up() -> None:
    """Prepare a process: the parent's Ctrl-C is not for it, and what it makes has no cycles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.disable()
