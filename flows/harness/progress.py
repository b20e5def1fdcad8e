"""Show the progress of a run: log lines, and for a long run a progress artifact in the UI."""

import time
from collections.abc import Callable
from typing import cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from sorobanflow.texts import duration
from tasks.policy import only_shown

#: Seconds after which a run gets an artifact, and between two updates of it.
LONG_S, SHOW_S = 10.0, 3.0
#: Seconds until the first log line; each wait is twice the last, up to the second figure.
FIRST_LINE_S, MAX_WAIT_S = 5.0, 300.0


class Spacing:
    """Spaces log lines: a run of seconds gets some, a run of a day not thousands."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_line = clock()
        self._wait_s = FIRST_LINE_S

    def due(self) -> bool:
        """Whether it is time for another line; if so, the next wait begins."""
        now = self._clock()
        if now - self._last_line < self._wait_s:
            return False
        self._last_line = now
        self._wait_s = min(2 * self._wait_s, MAX_WAIT_S)
        return True


class Progress:
    """Shows the progress of a run, in its own thread; `ledgers` may be changed meanwhile."""

    def __init__(self, key: str, ledgers: int = 0) -> None:
        self.ledgers = ledgers
        self._key = key
        self._began = self._shown = time.monotonic()
        self._lines = Spacing()
        self._artifact: UUID | None = None

    def show(self, done: int, figures: str = "") -> None:
        """Log the number of ledgers done and update the artifact, each if it is time to."""
        if self._lines.due():
            get_run_logger().info(self._line(done, figures))
        now = time.monotonic()
        if now - self._shown >= SHOW_S and now - self._began >= LONG_S:
            self.tell(done, figures)

    @only_shown("the progress")
    def tell(self, done: int, figures: str = "") -> None:
        """Update the artifact now; creates it if needed, and if there is work at all."""
        if not self.ledgers:
            return
        self._shown = time.monotonic()
        line = self._line(done, figures)
        percent = min(100.0, 100.0 * done / self.ledgers)
        if self._artifact is None:
            artifact = create_progress_artifact(percent, self._key, line)
            self._artifact = cast(UUID, artifact)  # a coroutine only where asyncio runs
        else:
            update_progress_artifact(self._artifact, percent, description=line)

    def close(self, done: int) -> None:
        """Update the artifact a last time, if there is one."""
        if self._artifact is not None:
            self.tell(done)

    def _line(self, done: int, figures: str) -> str:
        line = f"{done:,} of {self.ledgers:,} ledgers"
        seconds = time.monotonic() - self._began
        if done and seconds:
            rate = done / seconds
            left = duration((self.ledgers - done) / rate)
            line += f", {rate:,.1f} ledgers/s, {left} left"
        return f"{line}; {figures}" if figures else line
