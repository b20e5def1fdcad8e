"""Fail a run that does not get on, instead of letting it wait for ever in green.

Beside `index` and `backfill`: a thread looks at the run's summary, and what the
run waits for is cut off when nothing was added for too long: calls to the node,
and what the database is busy with or blocked in. Runs that are too short to stall
are judged by coverage: it knows since when the stream has not got on. Invariant:
what was committed stays.
"""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import psycopg
from sqlalchemy import Connection, Engine, event

from flows.harness.indexer import Indexer
from sorobanflow.errors import StalledError
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store.coverage import last_advance

POLL_S = 0.5
TIME = "%Y-%m-%d %H:%M:%S UTC"
#: Seconds that the database gets to answer a cancellation.
CANCEL_S = 5.0
#: A chain that was paused, as a local one is, gets two ledgers' time to go on.
LAST_LOOK_S = 10.0


@contextmanager
def fail_on_stall(
    indexer: Indexer, summary: RunSummary, stall_s: float | None, waits_for: Callable[[], str]
) -> Iterator[None]:
    """Cut off what is done within when the summary gained nothing for `stall_s` seconds.

    Args:
        indexer: Whose client and database are cut off.
        summary: Committed batches and recorded gaps count as getting on.
        stall_s: Seconds; None: never.
        waits_for: Says what the run waits for.

    Raises:
        StalledError: it was cut off; says what it waited for.
    """
    if stall_s is None:
        yield
        return
    watch = _Watch(indexer, summary, stall_s)
    try:
        yield
    except Exception as error:
        if watch.stalled:
            raise StalledError(stall_s, waits_for()) from error
        raise
    finally:
        watch.close()


def fail_on_still_chain(
    indexer: Indexer,
    summary: RunSummary,
    stall_s: float | None,
    look: Callable[[], object],
    waits_for: Callable[[], str],
) -> None:
    """Fail a run that had nothing to do, like all before it for `stall_s` seconds.

    Each of them ends long before it could stall, so the time is the database's: since
    when the stream has had its newest ledger. Ledgers close every five seconds, so
    either the chain stands still, or the node or what stands before it does. One that
    only goes on when it is asked is given `LAST_LOOK_S` seconds.

    Args:
        indexer: Whose stream it is.
        summary: Committed batches and recorded gaps count as something to do.
        stall_s: Seconds; None: never.
        look: Indexes what is there by now.
        waits_for: Says what the run waits for.

    Raises:
        StalledError: says what the run waited for, and since when.
    """
    target = indexer.target
    until = time.monotonic() + LAST_LOOK_S
    while stall_s is not None and not (summary.written or summary.gaps):
        advance = last_advance(target.engine, target.stream.name)
        if advance.age_s < stall_s:
            return
        if time.monotonic() >= until:
            since = f"the stream's end since {advance.at.astimezone(UTC):{TIME}}"
            raise StalledError(round(advance.age_s), f"{waits_for()}; it is {since}")
        time.sleep(POLL_S)
        look()


def ledger_after(node: Health) -> str:
    """Name the ledger that a run waits for, and when the one before it closed if that is known."""
    try:
        closed = datetime.fromtimestamp(int(node.latest_ledger_close_time or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return f"a ledger after {node.latest_ledger}, the node's newest"
    return f"a ledger after {node.latest_ledger}, the node's newest, closed {closed:{TIME}}"


class _Watch:
    def __init__(self, indexer: Indexer, summary: RunSummary, stall_s: float) -> None:
        self.stalled = False
        self._client, self._engine = indexer.source.client, indexer.target.engine
        self._summary = summary
        self._stall_s = stall_s
        self._busy = _Connections(self._engine)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()
        self._busy.close()

    def _run(self) -> None:
        seen, seen_at = self._progress(), time.monotonic()
        while not self._over.wait(POLL_S):
            if seen != (now := self._progress()):
                seen, seen_at = now, time.monotonic()
            if time.monotonic() - seen_at >= self._stall_s:
                self.stalled = True
                self._client.stop()
                # Again and again: Prefect tries a task again whose statement was cancelled.
                self._busy.cancel()

    def _progress(self) -> tuple[int, int]:
        return self._summary.ledgers, len(self._summary.gaps)


class _Connections:
    """The database connections that transactions were begun on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._seen: weakref.WeakSet[psycopg.Connection] = weakref.WeakSet()
        event.listen(engine, "begin", self._begun)

    def _begun(self, connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with self._lock:
            self._seen.add(driver)

    def cancel(self) -> None:
        with self._lock:
            connections = list(self._seen)
        for connection in connections:
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCEL_S)

    def close(self) -> None:
        event.remove(self._engine, "begin", self._begun)
