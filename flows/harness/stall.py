"""Fail a run that had nothing to do because the chain, the node or a gateway stands still.

`patience` cuts off what makes no progress for too long. Runs that end before that are judged
by coverage, which knows when the newest ledger was stored.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from flows.harness.indexer import Indexer
from flows.harness.patience import DATABASE, POLL_S
from sorobanflow.errors import StalledError
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.source import Available
from sorobanflow.store.coverage import last_advance

TIME = "%Y-%m-%d %H:%M:%S UTC"
#: A chain that was paused, as a local one may be, gets two ledgers' time to close the next.
LAST_LOOK_S = 10.0


def fail_on_stalled_stream(
    indexer: Indexer,
    summary: RunSummary,
    stall_s: float | None,
    catch_up: Callable[[], object],
) -> None:
    """Fail a run that had nothing to do, like all runs of the last `stall_s` seconds before it.

    A chain closes a ledger every five seconds, so it, the node or a gateway stands still.
    Before it fails, the run calls `catch_up` for `LAST_LOOK_S` seconds to index what comes.

    Raises:
        StalledError: says what the run waited for, and since when.
    """
    if stall_s is None:
        return
    target, patience = indexer.target, indexer.patience
    deadline = time.monotonic() + LAST_LOOK_S
    while not (summary.written or summary.gaps):
        newest = patience.retry(DATABASE, lambda: last_advance(target.engine, target.stream.name))
        if newest.age_s < stall_s:
            return
        if time.monotonic() >= deadline:
            since = f"no new ledger was stored since {newest.at.astimezone(UTC):{TIME}}"
            raise StalledError(round(newest.age_s), f"{patience.waits_for()}; {since}")
        time.sleep(POLL_S)
        catch_up()


def next_ledger_text(available: Available) -> str:
    """Name the ledger after the node's newest, and when that one closed, if it is known."""
    text = f"a ledger after {available.newest}, the node's newest"
    if available.closed_at is None:
        return text
    try:
        closed = datetime.fromtimestamp(available.closed_at, UTC)
    except (ValueError, OverflowError, OSError):
        return text
    return f"{text}, closed {closed:{TIME}}"
