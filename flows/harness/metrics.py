"""The metrics of a run: counted where SOROBANFLOW_METRICS_DIR names a folder, else not at all.

A process counts into the files of one slot of the folder, for as long as it
lives; `deployments.metrics` serves what all of them counted. Invariant: no run
fails because of its metrics.
"""

import os
from functools import cache
from pathlib import Path

from prefect.logging import get_logger
from sqlalchemy import Engine

from sorobanflow.records import BatchWritten, Hook, PoolSampled, PoolStats, Record
from sorobanflow.store.pool import pool_stats

VARIABLE = "SOROBANFLOW_METRICS_DIR"


@cache
def process_metrics() -> Hook | None:
    """Give the sink of this process; None: nothing is counted. Starts it when first called."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    try:
        return _start(Path(folder).resolve())
    except Exception as error:  # damaged files raise this and that
        get_logger("flows").warning(f"no metrics are counted in {folder}: {error}")
        return None


def _start(folder: Path) -> Hook:
    # prometheus_client is imported where it is wanted only.
    from prometheus_client import CollectorRegistry, values  # noqa: PLC0415

    from sorobanflow.metrics.sink import Metrics  # noqa: PLC0415
    from sorobanflow.metrics.slots import take_slot  # noqa: PLC0415

    slot = take_slot(folder)
    # As prometheus_client wants it for identifiers of one's own; it reads the folder from there.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    before = values.ValueClass
    value_class = values.MultiProcessValue(lambda: slot.number)  # type: ignore[no-untyped-call]
    values.ValueClass = value_class
    try:
        return Metrics(CollectorRegistry())
    except Exception:
        values.ValueClass = before  # Prefect counts with the same client
        raise


class PoolWatch:
    """A hook that looks at the pool with each batch, and tells the metrics.

    Args:
        engine: On its pool.
        metrics: Is told.
    """

    def __init__(self, engine: Engine, metrics: Hook) -> None:
        self._engine = engine
        self._metrics = metrics
        self._last: PoolStats | None = None

    def __call__(self, record: Record) -> None:
        """Look, if a batch was committed."""
        if isinstance(record, BatchWritten):
            self.look()

    def look(self) -> None:
        """Look now."""
        now = pool_stats(self._engine)
        before, self._last = self._last, now
        self._metrics(PoolSampled(now, before))
