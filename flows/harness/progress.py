"""Show the progress of a run: a bar or log lines, and for a long run an artifact in the UI.

A run that was started by hand in a terminal has a bar, every other one has lines.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.harness.bar import View, shown_bar
from sorobanflow.texts import duration
from tasks.policy import only_shown

#: Seconds after which a run gets an artifact, and between two updates of it.
LONG_S, SHOW_S = 10.0, 3.0
#: Seconds until the first log line; each wait is twice the last, up to the second figure.
FIRST_LINE_S, MAX_WAIT_S = 5.0, 300.0
#: Seconds over which a rate is taken; longer where a step takes longer.
RATE_S = 30.0


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


class Pace:
    """How fast a number grows now; it falls while the number does not grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples = deque([(clock(), 0)])

    def note(self, number: int) -> None:
        """Take a number of things done, not below the last one."""
        now = self._clock()
        self._samples.append((now, number))
        while len(self._samples) > 1 and self._samples[1][0] <= now - RATE_S:
            self._samples.popleft()

    def per_second(self) -> float:
        """Things per second, over RATE_S or since the last one before that; from any thread."""
        now, samples = self._clock(), list(self._samples)
        old = [sample for sample in samples if sample[0] <= now - RATE_S]
        since, number = old[-1] if old else samples[0]
        return (samples[-1][1] - number) / (now - since) if now > since else 0.0

    def seconds_for(self, number: int) -> float | None:
        """Seconds that a number of things takes; None where a wait would count as work.

        For more than RATE_S nothing was done then, as while a node is away.
        """
        rate, moments = self.per_second(), [moment for moment, _ in list(self._samples)]
        steady = all(later - before <= RATE_S for before, later in pairwise(moments))
        return number / rate if rate and steady else None


class Progress:
    """Shows the progress of a run, in its own thread; `ledgers` may be changed meanwhile."""

    def __init__(self, key: str, ledgers: int = 0, doing: str = "indexing") -> None:
        self.ledgers = ledgers
        self._key = key
        self._doing = doing
        self._done = 0
        self._began = self._shown = time.monotonic()
        self._pace = Pace()
        self._lines = Spacing()
        self._artifact: UUID | None = None
        self._bar = shown_bar.get()
        if self._bar:
            self._bar.read = self._view

    def show(self, done: int, figures: str = "") -> None:
        """Log the number of ledgers done and update the artifact, each if it is time to."""
        self._note(done)
        if not self._bar and self._lines.due():
            get_run_logger().info(self._line(figures))
        now = time.monotonic()
        if now - self._shown >= SHOW_S and now - self._began >= LONG_S:
            self.tell(done, figures)

    @only_shown("the progress")
    def tell(self, done: int, figures: str = "") -> None:
        """Update the artifact now; creates it if needed, and if there is work at all."""
        if not self.ledgers:
            return
        self._note(done)
        self._shown = time.monotonic()
        line = self._line(figures)
        percent = min(100.0, 100.0 * done / self.ledgers)
        if self._artifact is None:
            artifact = create_progress_artifact(percent, self._key, line)
            self._artifact = cast(UUID, artifact)  # a coroutine only where asyncio runs
        else:
            update_progress_artifact(self._artifact, percent, description=line)

    def follow(self, seconds: float) -> None:
        """Have the bar show that new ledgers are awaited for some seconds."""
        if self._bar:
            until = time.monotonic() + seconds
            self._bar.read = lambda: _awaiting(self._done, seconds, until - time.monotonic())

    def close(self, done: int) -> None:
        """Update the artifact a last time, if there is one."""
        if self._artifact is not None:
            self.tell(done)
        if self._bar:
            self._bar.read = lambda: View("finishing")

    def _note(self, done: int) -> None:
        if done > self._done:
            self._done = done
            self._pace.note(done)

    def _view(self) -> View:
        rate, figures = self._pace.per_second(), f"{self._done:,} of {self.ledgers:,} ledgers"
        if rate:
            figures += f", {rate:,.1f}/s"
        if (left := self._pace.seconds_for(self.ledgers - self._done)) is not None:
            figures += f", {timedelta(seconds=round(left))} left"
        return View(self._doing, self._done, self.ledgers, figures)

    def _line(self, figures: str) -> str:
        line = f"{self._done:,} of {self.ledgers:,} ledgers"
        if rate := self._pace.per_second():
            line += f", {rate:,.1f} ledgers/s"
        if (left := self._pace.seconds_for(self.ledgers - self._done)) is not None:
            line += f", {duration(left)} left"
        return f"{line}; {figures}" if figures else line


def _awaiting(done: int, seconds: float, left_s: float) -> View:
    left = timedelta(seconds=max(0, round(left_s)))
    return View("following", seconds - left_s, seconds, f"{done:,} ledgers stored, {left} left")
