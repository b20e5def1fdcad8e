"""How long a run waits for node, database and Prefect's API: until `stall_s` without progress.

Flows do everything within `patience`, from loading the blocks on. Errors that may pass are
retried; what blocks is cut off by a thread. Invariant: a run that makes no progress for
`stall_s` seconds ends with one StalledError, which says what it waited for.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Protocol, TypeVar

from prefect import get_run_logger

from blocks.prefect_api import named_api_failures
from sorobanflow.errors import RetriableError, StalledError
from sorobanflow.store.failures import named_failures
from sorobanflow.store.pool import CountingPool

T = TypeVar("T")

POLL_S = 0.5
#: Longest wait between two attempts, which wait themselves for a node or database that is away.
MAX_PAUSE_S = 5.0

LEDGERS = "the source to say which ledgers it has"
DATABASE = "the database"
PREFECT = "Prefect's API"


class Stoppable(Protocol):
    """What makes calls over the network: a client or a source."""

    @property
    def last_failure(self) -> str:
        """Why the last attempt of a call failed; empty if one has succeeded since."""

    def stop(self) -> None:
        """End calls in progress and refuse new ones, from any thread."""


@contextmanager
def patience(stall_s: float | None) -> Iterator["Patience"]:
    """Limit how long the work within goes on without progress; None: not at all.

    Raises:
        StalledError: it made no progress for `stall_s` seconds.
    """
    with closing(Patience(stall_s, get_run_logger().warning)) as one:
        try:
            yield one
        except Exception as error:
            if isinstance(error, StalledError) or not one.is_stalled:
                raise
            raise one.error() from error


class Patience:
    """Retries and waits until there was no progress for `stall_s` seconds; shared by threads.

    Attributes:
        waits_for: Says what the run waits for when no call is retried.
        pool: Is cut off when the run stalls, as are the sources that are watched.
    """

    def __init__(self, stall_s: float | None, log: Callable[[str], object]) -> None:
        self.waits_for: Callable[[], str] = lambda: "what it needs"
        self.pool: CountingPool | None = None
        self._sources: list[Stoppable] = []
        self._stall_s = stall_s
        self._log = log
        self._waits: list[tuple[float, str]] = []  # of calls under way
        self._failure = self._said = ""
        self._progress_at = time.monotonic()
        self._stalled, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="patience", daemon=True)
        self._thread.start()

    @property
    def is_stalled(self) -> bool:
        """Whether the run was cut off."""
        return self._stalled.is_set()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def progressed(self) -> None:
        """Take note of progress: the time without it starts again."""
        self._progress_at, self._failure = time.monotonic(), ""

    def watch_pool(self, pool: CountingPool) -> None:
        """Cut off this pool when the run stalls."""
        self.pool = pool

    @contextmanager
    def watching(self, source: Stoppable) -> Iterator[None]:
        """Cut off this source too when the run stalls."""
        self._sources.append(source)
        try:
            yield
        finally:
            self._sources.remove(source)

    def error(self) -> StalledError:
        """Make the error of the stalled run."""
        assert self._stall_s is not None
        return StalledError(self._stall_s, self._said)

    def retry(self, waits_for: str, call: Callable[[], T]) -> T:
        """Call until it succeeds, or fails for good.

        Raises:
            StalledError: there was no progress for `stall_s` seconds.
        """
        with self._waiting(waits_for):
            pause_s, failure = 1.0, ""
            while True:
                try:
                    with named_failures(), named_api_failures():
                        result = call()
                except StalledError:
                    raise
                except RetriableError as error:
                    if not failure:
                        limit = "" if self._stall_s is None else f" up to {self._stall_s:g} s"
                        self._log(f"waiting{limit} for {waits_for}: {error}")
                    self._failure = failure = str(error)
                    if self._stalled.wait(pause_s):
                        raise self.error() from error
                    pause_s = min(2 * pause_s, MAX_PAUSE_S)
                else:
                    if self._failure == failure:
                        self._failure = ""
                    return result

    @contextmanager
    def _waiting(self, waits_for: str) -> Iterator[None]:
        wait = (time.monotonic(), waits_for)
        self._waits.append(wait)
        try:
            yield
        finally:
            self._waits.remove(wait)

    def _watch(self) -> None:
        while not self._closed.wait(POLL_S):
            if self._stall_s is None or time.monotonic() - self._progress_at < self._stall_s:
                continue
            if not self.is_stalled:
                self._said = self._say()
                self._stalled.set()
            # Repeatedly, because what was cut off may lead to the next call or statement.
            for source in [*self._sources]:
                source.stop()
            if self.pool:
                self.pool.cut()

    def _say(self) -> str:
        """Say what the run waits for, and what failed last."""
        now = time.monotonic()
        waits = [text for since, text in [*self._waits] if now - since > POLL_S]
        text = waits[-1] if waits else self.waits_for()
        failures = [self._failure, *(source.last_failure for source in [*self._sources])]
        failure = next(filter(None, failures), "")
        return f"{text} (last failure: {failure})" if failure else text
