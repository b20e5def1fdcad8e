"""One call to the node: retries around the method's breaker and the pace around the transport.

The path that every request takes, whatever it asks. Invariant: each attempt
passes through the breaker of its method, has a place among the calls at once,
and is reported to the hook. Leaves the meaning of requests and answers to the
client.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from sorobanflow.sources.rpc.breaker import BreakerSettings, CircuitBreaker, Clock, Wait
from sorobanflow.sources.rpc.pace import Pace
from sorobanflow.sources.rpc.retry import RetryPolicy
from sorobanflow.sources.rpc.stats import CallFinished, Hook, Retrying, report
from sorobanflow.sources.rpc.transport import Transport

T = TypeVar("T")

METHODS = ("getHealth", "getNetwork", "getEvents", "getTransactions", "getTransaction")


class Calls:
    """Makes calls; shared by threads."""

    def __init__(
        self,
        transport: Transport,
        policy: RetryPolicy,
        breaker: BreakerSettings | None,
        pace: Pace,
        *,
        hook: Hook | None,
        before_call: Callable[[], object] | None,
        clock: Clock,
        wait: Wait,
    ) -> None:
        self.transport = transport
        self.policy = policy
        self.pace = pace
        self.breakers: Mapping[str, CircuitBreaker] = MappingProxyType(
            {
                method: CircuitBreaker(method, breaker, listener=hook, clock=clock, wait=wait)
                for method in METHODS
            }
        )
        self._hook = hook
        self._before_call = before_call

    def stop(self) -> None:
        """Start no more attempts, wake those that wait for a breaker, cut those under way."""
        for breaker in self.breakers.values():
            breaker.stop()
        self.pace.stop()
        self.transport.stop()

    def retried(self, method: str, attempt: Callable[[], T]) -> T:
        """Run attempts of a method until one succeeds or the policy gives up."""

        def announce(number: int, wait_s: float, error: BaseException) -> None:
            report(self._hook, Retrying(method, number, wait_s, type(error).__name__))

        return self.policy.run(attempt, announce)

    def once(self, method: str, body: bytes, parse: Callable[[bytes], T]) -> T:
        """Make one attempt; what `parse` raises is the outcome for the breaker too."""
        if self._before_call:
            self._before_call()
        # The permit first: a call that waits for a breaker must not keep a place of others.
        with self.breakers[method].permit(), self.pace.slot(method) as slot:
            started = time.perf_counter()
            size, error = 0, None
            try:
                answer = self.transport.post(method, body)
                size = len(answer)
                self.pace.answered(slot, size)
                return parse(answer)
            except BaseException as raised:
                error = type(raised).__name__
                raise
            finally:
                seconds = time.perf_counter() - started
                report(self._hook, CallFinished(method, seconds, size, error))
