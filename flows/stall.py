"""Fail a run that does not get on, instead of letting it wait for ever in green.

Beside `index`: a thread looks at the run's summary, and what the run waits for
is cut off when nothing was added for too long: calls to the node, and what the
database is busy with or blocked in. Invariant: what was committed stays.
"""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from sqlalchemy import Connection, Engine, event

from flows.indexer import Indexer
from sorobanflow.errors import StalledError
from sorobanflow.summary import RunSummary

POLL_S = 0.5
#: Seconds that the database gets to answer a cancellation.
CANCEL_S = 5.0


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
