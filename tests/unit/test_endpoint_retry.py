from collections.abc import Callable

import pytest

from sorobanflow.errors import (
    CircuitOpenError,
    ConfigurationError,
    NodeBehindError,
    RateLimitedError,
    RpcInternalError,
    RpcProtocolError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from sorobanflow.sources.endpoint.retry import RetryPolicy, RetrySettings


class Attempts:
    """Raises the errors one after the other, then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.left = list(errors)
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        if self.left:
            raise self.left.pop(0)
        return "done"


def policy_of(
    slept: list[float], uniform: Callable[[float, float], float] = lambda low, high: high
) -> RetryPolicy:
    return RetryPolicy(RetrySettings(), sleep=slept.append, uniform=uniform)


def ignore(wait_s: float, error: BaseException) -> None:
    """Take no notice of a retry."""


@pytest.mark.parametrize(
    "error",
    [
        RpcUnavailableError("x"),
        RpcTimeoutError("x"),
        RpcInternalError("x"),
        RateLimitedError("x"),
    ],
)
def test_retry_tries_again_what_can_succeed(error: BaseException) -> None:
    attempts = Attempts(error, error)
    assert policy_of([]).run(attempts, ignore) == "done"
    assert attempts.made == 3


@pytest.mark.parametrize(
    "error",
    [
        CircuitOpenError("getEvents", 1.0),
        NodeBehindError(2, 1),
        RpcProtocolError("x"),
        KeyboardInterrupt(),
        ValueError("x"),
    ],
)
def test_retry_gives_up_at_once_on_the_rest(error: BaseException) -> None:
    attempts = Attempts(error)
    with pytest.raises(type(error)):
        policy_of([]).run(attempts, ignore)
    assert attempts.made == 1


def test_retry_raises_the_last_error_when_used_up() -> None:
    slept: list[float] = []
    attempts = Attempts(*(RpcUnavailableError(str(number)) for number in range(9)))
    with pytest.raises(RpcUnavailableError, match="4"):
        policy_of(slept).run(attempts, ignore)
    assert attempts.made == 5
    assert slept == [0.5, 1.0, 2.0, 4.0]


def test_retry_jitter_is_full_and_capped() -> None:
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    policy = policy_of([], uniform)
    assert [policy.wait_s(attempt) for attempt in (1, 6, 7, 5000)] == [0, 0, 0, 0]
    assert drawn == [(0, 0.5), (0, 16), (0, 20), (0, 20)]


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (0.1, 0.5), (9999.0, 120.0)])
def test_retry_after_is_the_least_wait_up_to_its_cap(asked: float, waited: float) -> None:
    slept: list[float] = []
    policy_of(slept).run(Attempts(RateLimitedError("slow", asked)), ignore)
    assert slept == [waited]


def test_retry_announces_each_wait() -> None:
    seen: list[tuple[float, str]] = []
    attempts = Attempts(RpcUnavailableError("a"), RpcInternalError("b"))
    policy_of([]).run(attempts, lambda wait_s, error: seen.append((wait_s, str(error))))
    assert seen == [(0.5, "a"), (1.0, "b")]


def test_retry_settings_refuse_no_attempts() -> None:
    with pytest.raises(ConfigurationError):
        RetrySettings(attempts=0)
