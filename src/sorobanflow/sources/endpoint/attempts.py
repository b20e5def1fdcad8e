"""Attempts of calls to an endpoint: retries around a breaker, a slot, and the call itself.

Invariant: each attempt passes through the breaker of its method, holds a slot of the
concurrency, and is reported to the hook.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from sorobanflow.records import CallFinished, Hook, Retrying, report
from sorobanflow.sources.endpoint.breaker import BreakerSettings, CircuitBreaker, Clock, Wait
from sorobanflow.sources.endpoint.concurrency import Concurrency
from sorobanflow.sources.endpoint.retry import RetryPolicy

T = TypeVar("T")
AnswerT = TypeVar("AnswerT")


class Timed(NamedTuple, Generic[T]):
    """What an answer holds, and the seconds that the endpoint took for it."""

    value: T
    seconds: float


class Attempts:
    """Makes attempts of the methods named; shared by threads.

    Attributes:
        last_failure: Why the last attempt failed; empty if one has succeeded since.
    """

    def __init__(
        self,
        methods: Iterable[str],
        policy: RetryPolicy,
        breaker: BreakerSettings | None,
        concurrency: Concurrency,
        *,
        hook: Hook | None = None,
        before_call: Callable[[], object] | None = None,
        clock: Clock = time.monotonic,
        wait: Wait = threading.Condition.wait,
    ) -> None:
        self.breakers: Mapping[str, CircuitBreaker] = MappingProxyType(
            {
                method: CircuitBreaker(method, breaker, listener=hook, clock=clock, wait=wait)
                for method in methods
            }
        )
        self.last_failure = ""
        self._concurrency = concurrency
        self._policy = policy
        self._hook = hook
        self._before_call = before_call

    def stop(self) -> None:
        """Start no more attempts, and wake those that wait."""
        for breaker in self.breakers.values():
            breaker.stop()
        self._concurrency.stop()

    def retried(self, method: str, attempt: Callable[[], T], max_attempts: int | None = None) -> T:
        """Run attempts of a method until one succeeds or the policy gives up."""

        def announce(wait_s: float, error: BaseException) -> None:
            self.last_failure = str(error)
            report(self._hook, Retrying(method, wait_s, type(error).__name__))

        return self._policy.run(attempt, announce, max_attempts)

    def once(
        self, method: str, ask: Callable[[], AnswerT], read: Callable[[AnswerT], T]
    ) -> Timed[T]:
        """Make one attempt; what `read` raises is the outcome for the breaker too."""
        if self._before_call:
            self._before_call()
        # The permit first: a call that waits for a breaker must not hold a slot.
        with self.breakers[method].permit(), self._concurrency.slot(method) as slot:
            started = time.perf_counter()
            size, error = 0, None
            try:
                answer = ask()
                size = len(answer) if isinstance(answer, bytes) else 0
                seconds = self._concurrency.answered(slot, size)
                timed = Timed(read(answer), seconds)
                self.last_failure = ""
                return timed
            except BaseException as raised:
                error = type(raised).__name__
                raise
            finally:
                took_s = time.perf_counter() - started
                report(self._hook, CallFinished(method, took_s, size, error))
