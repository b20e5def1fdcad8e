"""Fail a run that makes no progress for too long, whatever it waits for.

When nothing was added to the run's summary for too long, a thread cuts off calls to the
node and statements in the database. Runs that end before they could stall are judged by
coverage, which knows when the newest ledger was stored. Invariant: what was committed stays.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from flows.harness.indexer import Indexer
from sorobanflow.errors import StalledError
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store.coverage import last_advance
from sorobanflow.store.engine import pool_of

POLL_S = 0.5
TIME = "%Y-%m-%d %H:%M:%S UTC"
#: A chain that was paused, as a local one may be, gets two ledgers' time to close the next.
LAST_LOOK_S = 10.0


@contextmanager
def fail_on_stall(
    indexer: Indexer, summary: RunSummary, stall_s: float | None, waits_for: Callable[[], str]
) -> Iterator[None]:
    """Cut off the work within when it made no progress for `stall_s` seconds; None: never.

    Committed batches and recorded gaps are progress.

    Raises:
        StalledError: the work was cut off; says what it waited for.
    """
    if stall_s is None:
        yield
        return
    with closing(_Watch(indexer, summary, stall_s)) as watch:
        try:
            yield
        except Exception as error:
            if watch.stalled:
                raise StalledError(stall_s, waits_for()) from error
            raise


def fail_on_stalled_stream(
    indexer: Indexer,
    summary: RunSummary,
    stall_s: float | None,
    catch_up: Callable[[], object],
    waits_for: Callable[[], str],
) -> None:
    """Fail a run that had nothing to do, like all runs of the last `stall_s` seconds before it.

    A chain closes a ledger every five seconds, so it, the node or a gateway stands still.
    Before it fails, the run calls `catch_up` for `LAST_LOOK_S` seconds to index what comes.

    Raises:
        StalledError: says what the run waited for, and since when.
    """
    if stall_s is None:
        return
    target = indexer.target
    deadline = time.monotonic() + LAST_LOOK_S
    while not (summary.written or summary.gaps):
        newest = last_advance(target.engine, target.stream.name)
        if newest.age_s < stall_s:
            return
        if time.monotonic() >= deadline:
            since = f"no new ledger was stored since {newest.at.astimezone(UTC):{TIME}}"
            raise StalledError(round(newest.age_s), f"{waits_for()}; {since}")
        time.sleep(POLL_S)
        catch_up()


def next_ledger_text(node: Health) -> str:
    """Name the ledger after the node's newest, and when that one closed, if it is known."""
    text = f"a ledger after {node.latest_ledger}, the node's newest"
    try:
        closed = datetime.fromtimestamp(int(node.latest_ledger_close_time or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return text
    return f"{text}, closed {closed:{TIME}}"


class _Watch:
    """A thread that cuts the run off when its summary shows no progress for `stall_s` seconds."""

    def __init__(self, indexer: Indexer, summary: RunSummary, stall_s: float) -> None:
        self.stalled = False
        self._client, self._engine = indexer.source.client, indexer.target.engine
        self._summary = summary
        self._stall_s = stall_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        progress, progress_at = self._progress(), time.monotonic()
        while not self._closed.wait(POLL_S):
            if progress != (now := self._progress()):
                progress, progress_at = now, time.monotonic()
            if time.monotonic() - progress_at >= self._stall_s:
                self.stalled = True
                self._client.stop()
                # Repeatedly, because Prefect retries a task whose statement was cancelled.
                pool_of(self._engine).cancel()

    def _progress(self) -> tuple[int, int]:
        return self._summary.ledgers, len(self._summary.gaps)
