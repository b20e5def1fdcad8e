"""Retries of one call: exponential backoff with full jitter, which obeys Retry-After.

Invariant: only an EndpointError is tried again. Tasks retry an open breaker and a node
that is behind.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from sorobanflow.errors import ConfigurationError, EndpointError

T = TypeVar("T")
OnRetry = Callable[[float, BaseException], object]


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How often a call is tried, and how long it waits in between.

    The longest random wait is `base_s` before the second attempt and doubles up to `cap_s`.
    """

    attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 20.0
    max_retry_after_s: float = 120.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.base_s, self.cap_s, self.max_retry_after_s) < 0:
            raise ConfigurationError(f"{self}: attempts must be at least 1, seconds at least 0")


class RetryPolicy:
    """Runs calls under the settings; keeps no state between calls."""

    def __init__(
        self,
        settings: RetrySettings | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.settings = settings or RetrySettings()
        self._sleep = sleep
        self._uniform = uniform

    def run(
        self, attempt: Callable[[], T], on_retry: OnRetry, max_attempts: int | None = None
    ) -> T:
        """Call until it succeeds, fails for good, or the attempts are used up."""
        attempts = self.settings.attempts

        def announce(state: tenacity.RetryCallState) -> None:
            on_retry(state.upcoming_sleep, _error(state))

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(EndpointError),
            stop=tenacity.stop_after_attempt(min(attempts, max_attempts or attempts)),
            wait=lambda state: self.wait_s(state.attempt_number, _error(state)),
            sleep=self._sleep,
            before_sleep=announce,
            reraise=True,
        )
        return retrying(attempt)

    def wait_s(self, attempt: int, error: BaseException | None = None) -> float:
        """Draw the wait after an attempt, counted from 1."""
        max_s = min(self.settings.cap_s, self.settings.base_s * 2.0 ** min(attempt - 1, 64))
        asked: float = getattr(error, "retry_after_s", None) or 0.0
        return max(self._uniform(0.0, max_s), min(asked, self.settings.max_retry_after_s))

    def pause(self, attempt: int) -> None:
        """Wait as after an attempt, counted from 1."""
        self._sleep(self.wait_s(attempt))


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None  # tenacity asks only after an attempt that raised
    return error
