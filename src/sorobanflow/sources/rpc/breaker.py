"""A circuit breaker: stop calling an endpoint that fails, probe until it is back.

Stands around every attempt of every call, one breaker per RPC method:

    closed ──`failure_threshold` failures in a row──▶ open
    open ──`open_s` later──▶ half-open, which admits `half_open_max` probes at once
    half-open ──one success──▶ closed;  ──one failure──▶ open

Callers wait for the next probe instead of skipping their work. Invariants: the
lock is never held during a call or a listener; every permit comes back whatever
the call raises; the outcome of a call counts only in the state that admitted it.
Only the endpoint's faults count, not what the node says about a request.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from sorobanflow.errors import (
    CircuitOpenError,
    ClientStoppedError,
    ConfigurationError,
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcProtocolError,
    RpcRequestError,
    RpcUnavailableError,
)
from sorobanflow.sources.rpc.stats import BreakerChanged, Hook, State, report

Clock = Callable[[], float]
Wait = Callable[[threading.Condition, float], object]
Outcome = Literal["success", "failure", "neutral"]

KEPT_ERRORS = 10
_ANSWERED = (RpcRequestError, RpcProtocolError, LedgerOutsideRetentionError, NodeBehindError)


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker opens, for how long, and how long callers wait for it.

    Args:
        failure_threshold: Failures in a row that open it.
        open_s: Seconds that it stays open before it admits probes.
        half_open_max: Probes at once while half-open.
        wait_s: Seconds that a caller waits before CircuitOpenError.
    """

    failure_threshold: int = 5
    open_s: float = 10.0
    half_open_max: int = 3
    wait_s: float = 60.0

    def __post_init__(self) -> None:
        if min(self.failure_threshold, self.half_open_max) < 1 or min(self.open_s, self.wait_s) < 0:
            raise ConfigurationError(
                f"{self}: failure_threshold and half_open_max start at 1, seconds at 0"
            )


@dataclass(frozen=True, slots=True)
class FailureSeen:
    """A failure that the breaker counted, and how many seconds ago."""

    age_s: float
    error: str


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """A breaker at one instant; `last_errors` oldest first."""

    method: str
    state: State
    failures: int
    probes: int
    retry_after_s: float
    last_errors: tuple[FailureSeen, ...]


def outcome_of(error: BaseException | None) -> Outcome:
    """Judge the endpoint by what a call raised: it failed, it answered, or neither."""
    if isinstance(error, RpcUnavailableError):
        return "failure"
    return "success" if error is None or isinstance(error, _ANSWERED) else "neutral"


class _Call:
    """One caller at the breaker, and the generation of the state that admitted it."""

    generation: int | None = None


class CircuitBreaker:
    """The circuit breaker of one RPC method; shared by threads.

    Args:
        method: The RPC method, for messages and records.
        settings: Thresholds and times.
        listener: Called with each transition, outside of the lock.
        clock: Monotonic seconds.
        wait: Waits on the condition for at most that many seconds.
    """

    def __init__(
        self,
        method: str,
        settings: BreakerSettings | None = None,
        *,
        listener: Hook | None = None,
        clock: Clock = time.monotonic,
        wait: Wait = threading.Condition.wait,
    ) -> None:
        self.method = method
        self.settings = settings or BreakerSettings()
        self._listener = listener
        self._clock = clock
        self._wait = wait
        self._changed = threading.Condition()
        self._state: State = "closed"
        self._generation = 0
        self._failures = 0
        self._probes: set[_Call] = set()
        self._opened_at = 0.0
        self._stopped = False
        self._errors: deque[tuple[float, str]] = deque(maxlen=KEPT_ERRORS)
        self._unreported: deque[BreakerChanged] = deque()

    @contextmanager
    def permit(self) -> Iterator[None]:
        """Admit one call, waiting if need be; what the body raises is its outcome.

        Raises:
            CircuitOpenError: still closed to callers after `wait_s`; try again later.
            ClientStoppedError: `stop` was called, before or during the wait.
        """
        call = _Call()
        error: BaseException | None = None
        try:
            # Inside of the try: a thread may be interrupted as soon as it has the permit.
            self._admit(call)
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._settle(call, error)

    @property
    def state(self) -> State:
        """The state now; an open breaker whose time is over reads half-open."""
        with self._changed:
            return self._present_state()

    @property
    def failures(self) -> int:
        """Failures in a row."""
        with self._changed:
            return self._failures

    @property
    def last_errors(self) -> tuple[FailureSeen, ...]:
        """The newest failures, oldest first."""
        return self.snapshot().last_errors

    def snapshot(self) -> BreakerSnapshot:
        """Read everything at one instant."""
        with self._changed:
            now = self._clock()
            return BreakerSnapshot(
                self.method,
                self._present_state(),
                self._failures,
                len(self._probes),
                self._until_probe(now),
                tuple(FailureSeen(now - at, error) for at, error in self._errors),
            )

    def reset(self) -> None:
        """Close it by hand; calls under way no longer count. Keeps the last errors."""
        with self._changed:
            self._move("closed")
        self._report()

    def stop(self) -> None:
        """Admit no more calls, for good; those that wait end at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _admit(self, call: _Call) -> None:
        try:
            with self._changed:
                deadline = self._clock() + self.settings.wait_s
                while not self._try_admit(call):
                    self._wait_for_change(deadline)
        finally:
            self._report()

    def _try_admit(self, call: _Call) -> bool:
        if self._stopped:
            raise ClientStoppedError(self.method)
        if self._state != self._present_state():
            self._move("half_open")
        if self._state == "open":
            return False
        if self._state == "half_open":
            if len(self._probes) >= self.settings.half_open_max:
                return False
            self._probes.add(call)
        call.generation = self._generation
        return True

    def _wait_for_change(self, deadline: float) -> None:
        now = self._clock()
        until_probe = self._until_probe(now)
        if now >= deadline:
            last_error = self._errors[-1][1] if self._errors else ""
            raise CircuitOpenError(self.method, until_probe, last_error)
        left = deadline - now
        self._wait(self._changed, min(left, until_probe) if self._state == "open" else left)

    def _settle(self, call: _Call, error: BaseException | None) -> None:
        outcome = outcome_of(error)
        with self._changed:
            if call in self._probes:
                self._probes.remove(call)
                self._changed.notify_all()
            if outcome == "failure":
                self._errors.append((self._clock(), f"{type(error).__name__}: {error}"))
            # A call that an earlier state admitted says nothing about this one.
            if call.generation != self._generation:
                return
            if outcome == "failure":
                self._count_failure()
            elif outcome == "success":
                self._count_success()
        self._report()

    def _count_failure(self) -> None:
        self._failures += 1
        if self._state == "half_open" or self._failures >= self.settings.failure_threshold:
            self._opened_at = self._clock()
            self._move("open")

    def _count_success(self) -> None:
        self._failures = 0
        if self._state == "half_open":
            self._move("closed")

    def _move(self, new: State) -> None:
        if new != self._state:
            self._unreported.append(BreakerChanged(self.method, self._state, new))
        self._state = new
        self._generation += 1
        self._probes.clear()
        if new == "closed":
            self._failures = 0
        self._changed.notify_all()

    def _present_state(self) -> State:
        over = self._state == "open" and self._until_probe(self._clock()) <= 0
        return "half_open" if over else self._state

    def _until_probe(self, now: float) -> float:
        if self._state != "open":
            return 0.0
        return max(0.0, self._opened_at + self.settings.open_s - now)

    def _report(self) -> None:
        while self._unreported:
            try:
                change = self._unreported.popleft()
            except IndexError:  # another thread took the last one
                return
            report(self._listener, change)
