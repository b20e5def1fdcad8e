"""The metrics of a run: counted if SOROBANFLOW_METRICS_DIR names a folder.

Invariant: no run fails because of its metrics.
"""

import os
from functools import cache
from pathlib import Path

from prefect.logging import get_logger
from sqlalchemy import Engine

from sorobanflow.records import BatchWritten, Hook, PoolSampled, PoolStats, Record
from sorobanflow.store.engine import pool_of

VARIABLE = "SOROBANFLOW_METRICS_DIR"


@cache
def process_metrics() -> Hook | None:
    """Give the sink of this process, opened on the first call; None: nothing is counted."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    from sorobanflow.metrics.slots import open_metrics  # noqa: PLC0415 - only where it is used

    try:
        return open_metrics(Path(folder).resolve())
    except Exception as error:  # damaged files raise various errors
        get_logger("flows").warning(f"no metrics are counted in {folder}: {error}")
        return None


class PoolWatch:
    """A hook that reports the statistics of the engine's pool to `metrics` after each batch."""

    def __init__(self, engine: Engine, metrics: Hook) -> None:
        self._engine = engine
        self._metrics = metrics
        self._last: PoolStats | None = None

    def __call__(self, record: Record) -> None:
        """Read the statistics if the record is of a committed batch."""
        if isinstance(record, BatchWritten):
            self.look()

    def look(self) -> None:
        """Read the statistics now."""
        now = pool_of(self._engine).stats()
        before, self._last = self._last, now
        self._metrics(PoolSampled(now, before))
