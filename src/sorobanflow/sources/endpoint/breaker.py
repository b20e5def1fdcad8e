"""A circuit breaker: stop calling an endpoint that fails, probe until it is back.

    | state     | admits       | on success | on failure                        | after `open_s` |
    |-----------|--------------|------------|-----------------------------------|----------------|
    | closed    | every call   |            | open, at the `failure_threshold`  |                |
    | open      | no call      |            |                                   | half_open      |
    | half_open | a few probes | closed     | open                              |                |

Only failures of the endpoint count, not what the node says about a request.
Invariants: the lock is never held during a call or a listener; every permit comes
back whatever the call raises; the outcome of a call counts only in the state that
admitted it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

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
from sorobanflow.records import BreakerChanged, BreakerState, Hook, report

Clock = Callable[[], float]
Wait = Callable[[threading.Condition, float], object]
Outcome = Literal["success", "failure", "neutral"]

KEPT_ERRORS = 10
_ANSWERED = (RpcRequestError, RpcProtocolError, LedgerOutsideRetentionError, NodeBehindError)


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker opens, for how long, how many probes follow, how long callers wait."""

    failure_threshold: int = 5
    open_s: float = 10.0
    half_open_max: int = 3
    wait_s: float = 60.0

    def __post_init__(self) -> None:
        if min(self.failure_threshold, self.half_open_max) < 1 or min(self.open_s, self.wait_s) < 0:
            raise ConfigurationError(f"{self}: counts must be at least 1, seconds at least 0")


class BreakerSnapshot(NamedTuple):
    """A breaker at one instant; the last errors with their age in seconds, oldest first."""

    state: BreakerState
    failures: int
    probes: int
    retry_after_s: float
    last_errors: tuple[tuple[float, str], ...]


class _Call:
    """One caller at the breaker, and the generation of the state that admitted it."""

    generation: int | None = None


class CircuitBreaker:
    """The circuit breaker of one method; shared by threads."""

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
        self._state: BreakerState = "closed"
        self._generation = 0  # counts the transitions
        self._failures = 0
        self._probes: set[_Call] = set()
        self._opened_at = 0.0
        self._stopped = False
        self._errors: deque[tuple[float, str]] = deque(maxlen=KEPT_ERRORS)
        self._unreported: list[BreakerChanged] = []

    @contextmanager
    def permit(self) -> Iterator[None]:
        """Admit one call, waiting if need be; what the body raises is its outcome.

        Raises:
            CircuitOpenError: not admitted within `wait_s`; try again later.
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
    def state(self) -> BreakerState:
        """The state now."""
        return self.snapshot().state

    def snapshot(self) -> BreakerSnapshot:
        """Read everything at one instant."""
        with self._changed:
            now = self._clock()
            return BreakerSnapshot(
                self._state_now(),
                self._failures,
                len(self._probes),
                self._until_probe(),
                tuple((now - at, error) for at, error in self._errors),
            )

    def reset(self) -> None:
        """Close it by hand; calls under way no longer count. Keeps the last errors."""
        with self._changed:
            self._move("closed")
        self._report()

    def stop(self) -> None:
        """Admit no more calls, for good; those that wait end now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _admit(self, call: _Call) -> None:
        try:
            with self._changed:
                deadline = self._clock() + self.settings.wait_s
                while not self._try_admit(call):
                    left = deadline - self._clock()
                    if left <= 0:
                        last_error = self._errors[-1][1] if self._errors else ""
                        raise CircuitOpenError(self.method, self._until_probe(), last_error)
                    self._wait(self._changed, min(left, self._until_probe() or left))
        finally:
            self._report()

    def _try_admit(self, call: _Call) -> bool:
        if self._stopped:
            raise ClientStoppedError(self.method)
        if self._state != self._state_now():
            self._move("half_open")
        if self._state == "open":
            return False
        if self._state == "half_open":
            if len(self._probes) >= self.settings.half_open_max:
                return False
            self._probes.add(call)
        call.generation = self._generation
        return True

    def _settle(self, call: _Call, error: BaseException | None) -> None:
        outcome = outcome_of(error)
        with self._changed:
            if call in self._probes:
                self._probes.remove(call)
                self._changed.notify_all()
            if outcome == "failure":
                self._errors.append((self._clock(), f"{type(error).__name__}: {error}"))
            # A call that an earlier state admitted says nothing about this one.
            if call.generation == self._generation:
                self._count(outcome)
        self._report()

    def _count(self, outcome: Outcome) -> None:
        if outcome == "failure":
            self._failures += 1
        match self._state, outcome:
            case "closed", "success":
                self._failures = 0
            case "closed", "failure" if self._failures >= self.settings.failure_threshold:
                self._move("open")
            case "half_open", "success":
                self._move("closed")
            case "half_open", "failure":
                self._move("open")

    def _move(self, new: BreakerState) -> None:
        if new != self._state:
            self._unreported.append(BreakerChanged(self.method, new))
        self._state = new
        self._generation += 1
        self._probes.clear()
        self._failures = 0 if new == "closed" else self._failures
        self._opened_at = self._clock() if new == "open" else self._opened_at
        self._changed.notify_all()

    def _state_now(self) -> BreakerState:
        """Give the state; an open breaker whose time is over is half-open for the next call."""
        return "half_open" if self._state == "open" and not self._until_probe() else self._state

    def _until_probe(self) -> float:
        """Give the seconds until an open breaker admits a probe."""
        left = self._opened_at + self.settings.open_s - self._clock()
        return max(0.0, left) if self._state == "open" else 0.0

    def _report(self) -> None:
        with self._changed:
            changes, self._unreported = self._unreported, []
        for change in changes:
            report(self._listener, change)


def outcome_of(error: BaseException | None) -> Outcome:
    """Judge the endpoint by the error of a call: it failed, it answered, or neither."""
    if isinstance(error, RpcUnavailableError):
        return "failure"
    return "success" if error is None or isinstance(error, _ANSWERED) else "neutral"
