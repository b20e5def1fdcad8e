"""How far a run is: log lines, ever rarer, and for a long run a progress artifact in the UI."""

import time
from collections.abc import Callable
from typing import cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from sorobanflow.texts import duration

#: Seconds between two updates of the artifact, at least.
SHOW_S = 3.0
#: Seconds after which a run is a long one.
LONG_S = 10.0
#: Seconds until the log's first line, and most between two: each wait is twice the last.
FIRST_LINE_S, RAREST_LINE_S = 5.0, 300.0


class Spacing:
    """Spaces log lines out, so that a run of seconds has some and one of a day not thousands.

    Args:
        clock: Seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = clock()
        self._wait_s = FIRST_LINE_S

    def due(self) -> bool:
        """Whether it is time for another line; if so, the next wait begins."""
        now = self._clock()
        if now - self._said < self._wait_s:
            return False
        self._said = now
        self._wait_s = min(2 * self._wait_s, RAREST_LINE_S)
        return True


class Progress:
    """Tells how far a run is; belongs to the flow's own thread.

    Args:
        key: Key of the artifact; runs of one flow share it.
        ledgers: Number of ledgers that the run is to work on.

    Attributes:
        ledgers: The same; may change on the way.
    """

    def __init__(self, key: str, ledgers: int = 0) -> None:
        self.ledgers = ledgers
        self._key = key
        self._began = self._shown = time.monotonic()
        self._lines = Spacing()
        self._artifact: UUID | None = None

    def show(self, done: int, figures: str = "") -> None:
        """Tell how many ledgers are done, if it is time to.

        Args:
            done: Of `ledgers`.
            figures: What else there is to say.
        """
        if self._lines.due():
            get_run_logger().info(self._line(done, figures))
        now = time.monotonic()
        if now - self._shown >= SHOW_S and now - self._began >= LONG_S:
            self.tell(done, figures)

    def tell(self, done: int, figures: str = "") -> None:
        """Show in the artifact how many ledgers are done, at once; nothing if none are to do."""
        if not self.ledgers:
            return
        self._shown = time.monotonic()
        line = self._line(done, figures)
        share = min(100.0, 100.0 * done / self.ledgers)
        if self._artifact is None:
            artifact = create_progress_artifact(share, self._key, line)
            self._artifact = cast(UUID, artifact)  # as always outside of asyncio
        else:
            update_progress_artifact(self._artifact, share, description=line)

    def close(self, done: int) -> None:
        """Leave the artifact, if there is one, with what was done in the end."""
        if self._artifact is not None:
            self.tell(done)

    def _line(self, done: int, figures: str) -> str:
        seconds = time.monotonic() - self._began
        rate = done / seconds if seconds else 0.0
        line = f"{done:,} of {self.ledgers:,} ledgers"
        if rate:
            left = duration((self.ledgers - done) / rate)
            line += f", {rate:,.1f} ledgers/s, {left} left"
        return f"{line}; {figures}" if figures else line
