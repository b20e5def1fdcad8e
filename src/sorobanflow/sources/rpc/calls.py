"""One call to the node: retries around a breaker, a slot, and the HTTP POST.

Invariant: each attempt passes through the breaker of its method, holds a slot of the
concurrency, and is reported to the hook.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from sorobanflow.records import CallFinished, Hook, Retrying, report
from sorobanflow.sources.rpc.breaker import BreakerSettings, CircuitBreaker, Clock, Wait
from sorobanflow.sources.rpc.concurrency import Concurrency
from sorobanflow.sources.rpc.jsonrpc import decode_as, decode_reply, encode_call, error_of
from sorobanflow.sources.rpc.retry import RetryPolicy
from sorobanflow.sources.rpc.transport import Transport

T = TypeVar("T")

METHODS = (
    *("getHealth", "getNetwork", "getEvents", "getTransactions", "getTransaction"),
    "getLedgerEntries",
)


class Timed(NamedTuple, Generic[T]):
    """What an answer holds, and the seconds that the node took for it."""

    value: T
    seconds: float


class Calls:
    """Makes calls; shared by threads."""

    def __init__(
        self,
        transport: Transport,
        policy: RetryPolicy,
        breaker: BreakerSettings | None,
        concurrency: Concurrency,
        *,
        hook: Hook | None,
        before_call: Callable[[], object] | None,
        clock: Clock,
        wait: Wait,
    ) -> None:
        self.transport = transport
        self.breakers: Mapping[str, CircuitBreaker] = MappingProxyType(
            {
                method: CircuitBreaker(method, breaker, listener=hook, clock=clock, wait=wait)
                for method in METHODS
            }
        )
        self.request_ids = itertools.count(1)
        self.last_failure = ""  # of an attempt, unless one has succeeded since
        self._concurrency = concurrency
        self._policy = policy
        self._hook = hook
        self._before_call = before_call

    def stop(self) -> None:
        """Start no more attempts, wake those that wait, cut those under way."""
        for breaker in self.breakers.values():
            breaker.stop()
        self._concurrency.stop()
        self.transport.stop()

    def ask(
        self,
        method: str,
        decoder: msgspec.json.Decoder[T],
        params: Mapping[str, Any] | None = None,
        ledger: int | None = None,
    ) -> Timed[T]:
        """Make a call, with retries; see `ask_once`."""
        return self.retried(method, lambda: self.ask_once(method, decoder, params, ledger))

    def ask_once(
        self,
        method: str,
        decoder: msgspec.json.Decoder[T],
        params: Mapping[str, Any] | None = None,
        ledger: int | None = None,
    ) -> Timed[T]:
        """Make one attempt of a call. Where it starts at a ledger, errors of ranges name it."""

        def read(result: msgspec.Raw) -> T:
            return decode_as(method, result, decoder)

        return self.once(method, params, read, ledger)

    def retried(self, method: str, attempt: Callable[[], T], max_attempts: int | None = None) -> T:
        """Run attempts of a method until one succeeds or the policy gives up."""

        def announce(wait_s: float, error: BaseException) -> None:
            self.last_failure = str(error)
            report(self._hook, Retrying(method, wait_s, type(error).__name__))

        return self._policy.run(attempt, announce, max_attempts)

    def once(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        read: Callable[[msgspec.Raw], T],
        ledger: int | None = None,
    ) -> Timed[T]:
        """Make one attempt of one call; `read` takes the result of the answer."""
        request_id = next(self.request_ids)

        def read_reply(body: bytes) -> T:
            reply = decode_reply(method, body, request_id)
            if reply.error is not None:
                raise error_of(method, reply.error, ledger, self.transport.clean)
            return read(reply.result)

        return self.post(method, encode_call(request_id, method, params), read_reply)

    def post(self, method: str, body: bytes, read: Callable[[bytes], T]) -> Timed[T]:
        """Make one POST; what `read` raises is the outcome for the breaker too."""
        if self._before_call:
            self._before_call()
        # The permit first: a call that waits for a breaker must not hold a slot.
        with self.breakers[method].permit(), self._concurrency.slot(method) as slot:
            started = time.perf_counter()
            size, error = 0, None
            try:
                answer = self.transport.post(method, body)
                size = len(answer)
                node_s = self._concurrency.answered(slot, size)
                timed = Timed(read(answer), node_s)
                self.last_failure = ""
                return timed
            except BaseException as raised:
                error = type(raised).__name__
                raise
            finally:
                seconds = time.perf_counter() - started
                report(self._hook, CallFinished(method, seconds, size, error))
