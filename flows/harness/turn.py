"""Whose turn it is to index a stream: of the runs of a schedule, the newest that is ready.

A scheduled run takes the stream over when node and database have answered it. The one before
it finishes the batches in flight and ends, so that there is neither a pause nor more than a
few batches that are indexed twice. Runs that were started by hand take no part.
"""

import time

from prefect import get_run_logger
from prefect.context import FlowRunContext

from flows.harness.indexer import Indexer
from flows.harness.patience import DATABASE
from sorobanflow.store.live_streams import current_run, take_over

#: Prefect gives this tag to every run that a schedule started.
SCHEDULED = "auto-scheduled"
#: A run asks no more often than this.
CHECK_S = 1.0


def scheduled_run() -> str | None:
    """Give the id of this flow run if a schedule started it."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return str(run.id) if run and SCHEDULED in run.tags else None


class Turn:
    """A run's turn; `run` is its id, or None for a run by hand, whose turn is never over."""

    def __init__(self, indexer: Indexer, run: str | None) -> None:
        self._engine, self._stream = indexer.target.engine, indexer.target.stream.name
        self._retry = indexer.patience.retry
        self._run = run
        self._over = False
        self._ask_at = 0.0

    def take(self) -> None:
        """Take the stream over from the run before."""
        if (run := self._run) is not None:
            self._retry(DATABASE, lambda: take_over(self._engine, self._stream, run))

    def is_over(self) -> bool:
        """Whether another run has taken over."""
        if self._run is None or self._over or time.monotonic() < self._ask_at:
            return self._over
        current = self._retry(DATABASE, lambda: current_run(self._engine, self._stream))
        self._ask_at = time.monotonic() + CHECK_S
        if current not in (None, self._run):
            self._over = True
            get_run_logger().info(f"flow run {current} has taken over and goes on from here")
        return self._over
