"""How far a run of known length is: log lines, and a progress artifact in the UI."""

import time
from typing import cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from sorobanflow.backfill import duration

PROGRESS_S = 3.0


class Progress:
    """Tells how far a run is; belongs to the flow's own thread.

    Args:
        key: Key of the artifact; runs of one flow share it.
        ledgers: Number of ledgers that the run is to index.
    """

    def __init__(self, key: str, ledgers: int) -> None:
        self._ledgers = ledgers
        self._began = self._told = time.monotonic()
        artifact = create_progress_artifact(0.0, key, f"0 of {ledgers:,} ledgers")
        self._artifact = cast(UUID, artifact)  # as always outside of asyncio

    def show(self, done: int) -> None:
        """Tell how many ledgers are done, at most every `PROGRESS_S` seconds."""
        if time.monotonic() - self._told >= PROGRESS_S:
            self.tell(done)

    def tell(self, done: int) -> None:
        """Tell how many ledgers are done, at once."""
        self._told = time.monotonic()
        line = self._line(done, self._told - self._began)
        get_run_logger().info(line)
        share = done / self._ledgers if self._ledgers else 1.0
        update_progress_artifact(self._artifact, min(100.0, 100.0 * share), description=line)

    def _line(self, done: int, seconds: float) -> str:
        rate = done / seconds if seconds else 0.0
        left = duration((self._ledgers - done) / rate) if rate else "unknown"
        return f"{done:,} of {self._ledgers:,} ledgers, {rate:,.1f} ledgers/s, {left} left"
