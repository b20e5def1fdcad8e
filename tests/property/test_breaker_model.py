"""The breaker against a model of it: a few lines that only know the rules."""

import threading
from contextlib import AbstractContextManager

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sorobanflow.errors import CircuitOpenError, RateLimitedError, RpcUnavailableError
from sorobanflow.sources.endpoint.breaker import BreakerSettings, CircuitBreaker

OUTCOMES = {
    "success": None,
    "failure": RpcUnavailableError("down"),
    "neutral": RateLimitedError("slow"),
}


class BreakerMachine(RuleBasedStateMachine):
    """Calls start and end in any order, time passes, somebody resets."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = CircuitBreaker(
            "getEvents",
            BreakerSettings(failure_threshold=3, open_s=10, half_open_max=2, wait_s=0),
            clock=lambda: self.now,
            wait=self.never,
        )
        self.state, self.era, self.failures, self.opened = "closed", 0, 0, 0.0
        self.open_calls: list[tuple[AbstractContextManager[None], str, int]] = []

    def never(self, condition: threading.Condition, seconds: float) -> None:
        raise AssertionError("a caller that may not wait waited")

    def move(self, state: str) -> None:
        self.state, self.era = state, self.era + 1
        self.failures = 0 if state == "closed" else self.failures
        self.opened = self.now if state == "open" else self.opened

    def probes(self) -> int:
        return sum(
            1 for _, state, era in self.open_calls if (state, era) == ("half_open", self.era)
        )

    def time_out(self) -> None:
        if self.state == "open" and self.now >= self.opened + 10:
            self.move("half_open")

    @rule(seconds=st.sampled_from([1.0, 5.0, 10.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def start(self) -> None:
        self.time_out()
        admitted = self.state == "closed" or (self.state == "half_open" and self.probes() < 2)
        permit = self.breaker.permit()
        try:
            permit.__enter__()
        except CircuitOpenError:
            assert not admitted
            return
        assert admitted
        self.open_calls.append((permit, self.state, self.era))

    @precondition(lambda self: self.open_calls)
    @rule(data=st.data(), outcome=st.sampled_from(sorted(OUTCOMES)))
    def end(self, data: st.DataObject, outcome: str) -> None:
        number = data.draw(st.integers(0, len(self.open_calls) - 1))
        permit, _, era = self.open_calls.pop(number)
        error = OUTCOMES[outcome]
        assert not permit.__exit__(type(error) if error else None, error, None)
        if era != self.era or outcome == "neutral":
            return
        if outcome == "success":
            self.failures = 0
            if self.state == "half_open":
                self.move("closed")
        else:
            self.failures += 1
            if self.state == "half_open" or self.failures >= 3:
                self.move("open")

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.move("closed")

    @invariant()
    def agree(self) -> None:
        over = self.state == "open" and self.now >= self.opened + 10
        assert self.breaker.state == ("half_open" if over else self.state)
        assert self.breaker.snapshot().failures == self.failures
        if not over:
            assert self.breaker.snapshot().probes == self.probes()


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
