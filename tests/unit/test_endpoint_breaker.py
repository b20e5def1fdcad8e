import itertools
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from sorobanflow.errors import (
    AnswerTooLargeError,
    CircuitOpenError,
    ClientStoppedError,
    ConfigurationError,
    LedgerOutsideRetentionError,
    NodeBehindError,
    RateLimitedError,
    RpcInternalError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from sorobanflow.records import BreakerChanged, Record
from sorobanflow.sources.endpoint.breaker import BreakerSettings, CircuitBreaker

FAULT = RpcUnavailableError("down")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breaker_of(clock: Clock, **settings: float) -> CircuitBreaker:
    return CircuitBreaker(
        "getEvents",
        BreakerSettings(**settings),  # type: ignore[arg-type]
        clock=clock,
        wait=clock.wait,
    )


def fail(breaker: CircuitBreaker, times: int = 1, error: BaseException = FAULT) -> None:
    for _ in range(times):
        with suppress(type(error)), breaker.permit():
            raise error


def succeed(breaker: CircuitBreaker) -> None:
    with breaker.permit():
        pass


def half_open(clock: Clock, **settings: float) -> CircuitBreaker:
    breaker = breaker_of(clock, **settings)
    fail(breaker, 5)
    clock.now += 10
    return breaker


def test_breaker_opens_at_the_fifth_failure_in_a_row(clock: Clock) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 4)
    assert (breaker.state, breaker.snapshot().failures) == ("closed", 4)
    fail(breaker)
    assert (breaker.state, breaker.snapshot().failures) == ("open", 5)


def test_breaker_success_starts_the_count_again(clock: Clock) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 4)
    succeed(breaker)
    fail(breaker, 4)
    assert breaker.state == "closed"


def test_breaker_reads_half_open_when_its_time_is_over(clock: Clock) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 5)
    clock.now += 9.9
    assert breaker.state == "open"
    clock.now += 0.1
    assert breaker.state == "half_open"


def test_breaker_caller_waits_for_the_probe_and_closes_it(clock: Clock) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 5)
    clock.now += 4
    succeed(breaker)
    assert clock.waits == [6.0]
    assert (breaker.state, breaker.snapshot().failures) == ("closed", 0)


def test_breaker_failed_probe_opens_it_for_the_whole_time_again(clock: Clock) -> None:
    breaker = half_open(clock)
    fail(breaker)
    assert breaker.state == "open"
    assert breaker.snapshot().retry_after_s == 10.0


def test_breaker_gives_up_at_the_callers_deadline(clock: Clock) -> None:
    breaker = breaker_of(clock, wait_s=4)
    fail(breaker, 5)
    with pytest.raises(CircuitOpenError) as caught, breaker.permit():
        pass
    assert caught.value.method == "getEvents"
    assert caught.value.retry_after_s == 6.0
    assert "down" in caught.value.last_error
    assert clock.waits == [4.0]


def test_breaker_half_open_without_free_probe_waits_to_the_deadline(clock: Clock) -> None:
    breaker = half_open(clock, half_open_max=1, wait_s=7)
    with breaker.permit(), pytest.raises(CircuitOpenError), breaker.permit():
        pass
    assert clock.waits == [7.0]


@pytest.mark.parametrize("error", [FAULT, RpcTimeoutError("late")])
def test_breaker_counts_faults_of_the_endpoint(clock: Clock, error: BaseException) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 1, error)
    assert breaker.snapshot().failures == 1


@pytest.mark.parametrize(
    "error",
    [
        RpcRequestError("getEvents", -32602, "no"),
        RpcProtocolError("odd"),
        LedgerOutsideRetentionError(1, 2),
        NodeBehindError(3, 2),
    ],
)
def test_breaker_takes_an_answer_for_a_success(clock: Clock, error: BaseException) -> None:
    breaker = half_open(clock)
    fail(breaker, 1, error)
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    "error",
    [
        RateLimitedError("slow"),
        RpcInternalError("panic"),
        AnswerTooLargeError("getEvents", 1),
        ValueError("ours"),
        KeyboardInterrupt(),
        GeneratorExit(),
    ],
)
def test_breaker_neutral_outcome_gives_the_permit_back(clock: Clock, error: BaseException) -> None:
    breaker = half_open(clock, half_open_max=1, wait_s=0)
    fail(breaker, 3, error)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.failures, snapshot.probes) == ("half_open", 5, 0)


def test_breaker_stale_success_does_not_close_it(clock: Clock) -> None:
    breaker = breaker_of(clock)
    with breaker.permit():
        fail(breaker, 5)
        clock.now += 10
        with suppress(ValueError), breaker.permit():
            raise ValueError
        assert breaker.state == "half_open"
    assert breaker.state == "half_open"


def test_breaker_stale_failure_does_not_open_it(clock: Clock) -> None:
    breaker = breaker_of(clock)
    with suppress(RpcUnavailableError), breaker.permit():
        fail(breaker, 5)
        clock.now += 10
        succeed(breaker)
        raise FAULT
    assert (breaker.state, breaker.snapshot().failures) == ("closed", 0)


def test_breaker_stale_probe_gives_no_second_permit(clock: Clock) -> None:
    breaker = half_open(clock, half_open_max=1, wait_s=0)
    with suppress(RpcUnavailableError), breaker.permit():
        breaker.reset()
        fail(breaker, 5)
        clock.now += 10
        with breaker.permit():
            assert breaker.snapshot().probes == 1
            raise FAULT
    assert breaker.snapshot().probes == 0


def test_breaker_keeps_the_last_ten_errors_with_their_age(clock: Clock) -> None:
    breaker = breaker_of(clock, failure_threshold=100)
    for number in range(12):
        fail(breaker, 1, RpcUnavailableError(f"fault {number}"))
        clock.now += 1
    errors = breaker.snapshot().last_errors
    assert len(errors) == 10
    assert errors[0] == (10.0, "RpcUnavailableError: fault 2")
    assert errors[-1] == (1.0, "RpcUnavailableError: fault 11")


def test_breaker_reset_closes_it(clock: Clock) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 5)
    breaker.reset()
    assert (breaker.state, breaker.snapshot().failures) == ("closed", 0)
    assert len(breaker.snapshot().last_errors) == 5


def test_breaker_tells_each_transition_outside_of_the_lock(clock: Clock) -> None:
    seen: list[tuple[Record, str]] = []
    breaker = CircuitBreaker(
        "getEvents",
        listener=lambda record: seen.append((record, breaker.state)),
        clock=clock,
        wait=clock.wait,
    )
    fail(breaker, 5)
    succeed(breaker)
    assert seen == [
        (BreakerChanged("getEvents", "open"), "open"),
        (BreakerChanged("getEvents", "half_open"), "half_open"),
        (BreakerChanged("getEvents", "closed"), "closed"),
    ]


def test_breaker_listener_that_fails_does_not_break_the_call(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def listen(record: Record) -> None:
        raise ValueError("listener")

    breaker = CircuitBreaker("getEvents", listener=listen, clock=clock, wait=clock.wait)
    fail(breaker, 5)
    succeed(breaker)
    assert breaker.state == "closed"
    assert "the hook failed on BreakerChanged" in caplog.text


def test_breaker_interrupted_while_waiting_takes_no_permit(clock: Clock) -> None:
    def interrupted(condition: threading.Condition, seconds: float) -> None:
        raise KeyboardInterrupt

    breaker = CircuitBreaker("getEvents", clock=clock, wait=interrupted)
    fail(breaker, 5)
    with pytest.raises(KeyboardInterrupt), breaker.permit():
        pass
    clock.now += 10
    succeed(breaker)
    assert breaker.state == "closed"


def test_breaker_stopped_admits_nobody(clock: Clock) -> None:
    breaker = breaker_of(clock)
    breaker.stop()
    breaker.stop()
    with pytest.raises(ClientStoppedError), breaker.permit():
        pass
    assert (breaker.state, breaker.snapshot().failures) == ("closed", 0)


def test_breaker_stopped_wakes_those_that_wait() -> None:
    waiting = threading.Event()

    def wait(condition: threading.Condition, seconds: float) -> None:
        waiting.set()
        condition.wait(seconds)

    breaker = CircuitBreaker("getEvents", wait=wait)
    fail(breaker, 5)
    caught: list[BaseException] = []

    def call() -> None:
        try:
            with breaker.permit():
                pass
        except ClientStoppedError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert waiting.wait(5)
    breaker.stop()
    thread.join(1)
    assert [str(error)[:9] for error in caught] == ["getEvents"]


def test_breaker_half_open_admits_three_of_fifty_threads_at_once() -> None:
    clock = Clock()
    breaker = CircuitBreaker("getEvents", clock=clock)
    fail(breaker, 5)
    clock.now += 10
    lock, inside, most, done = threading.Lock(), 0, 0, 0
    three_inside = threading.Barrier(3)

    def probe() -> None:
        nonlocal inside, most, done
        with suppress(ValueError), breaker.permit():
            with lock:
                inside += 1
                most = max(most, inside)
                gather = done == 0 and inside <= 3
            if gather:
                with suppress(threading.BrokenBarrierError):
                    three_inside.wait(5)
            with lock:
                inside -= 1
                done += 1
            raise ValueError("neutral")

    threads = [threading.Thread(target=probe) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (most, done) == (3, 50)
    assert breaker.snapshot().probes == 0


def _call_from_threads(count: int, call: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


class Probed:
    """A breaker whose one probe is held by the test; tells when so many callers wait for it."""

    def __init__(self, wait_s: float, callers: int) -> None:
        self.waiting = threading.Semaphore(0)
        settings = BreakerSettings(5, open_s=0, half_open_max=1, wait_s=wait_s)
        self.breaker = CircuitBreaker("getEvents", settings, wait=self._wait)
        self.through = 0
        self.refused: list[CircuitOpenError] = []
        self._lock = threading.Lock()
        self._callers = callers

    def _wait(self, condition: threading.Condition, seconds: float) -> None:
        self.waiting.release()
        condition.wait(seconds)

    def call(self) -> None:
        try:
            with self.breaker.permit(), self._lock:
                self.through += 1
        except CircuitOpenError as error:
            with self._lock:
                self.refused.append(error)

    def start(self) -> list[threading.Thread]:
        threads = _call_from_threads(self._callers, self.call)
        for _ in threads:
            assert self.waiting.acquire(timeout=10)
        return threads


def test_breaker_lets_all_waiting_threads_through_when_it_closes() -> None:
    probed = Probed(wait_s=60, callers=49)
    fail(probed.breaker, 5)
    with probed.breaker.permit():
        threads = probed.start()
        assert probed.through == 0
    for thread in threads:
        thread.join(10)
    assert (probed.through, probed.refused) == (49, [])
    assert probed.breaker.state == "closed"


def test_breaker_refuses_waiting_threads_at_their_deadline() -> None:
    probed = Probed(wait_s=0.3, callers=49)
    fail(probed.breaker, 5)
    with probed.breaker.permit():
        for thread in probed.start():
            thread.join(10)
        assert (probed.through, len(probed.refused)) == (0, 49)
        assert {error.method for error in probed.refused} == {"getEvents"}
        assert {error.last_error for error in probed.refused} == {"RpcUnavailableError: down"}
    probed.call()  # the probe ended well
    assert probed.through == 1


def test_breaker_loses_no_permit_when_threads_are_cancelled() -> None:
    clock = Clock()
    breaker = CircuitBreaker("getEvents", BreakerSettings(wait_s=0), clock=clock)
    outcomes = itertools.cycle([FAULT, KeyboardInterrupt(), None, ValueError(), GeneratorExit()])

    def calls() -> None:
        for _ in range(40):
            error = next(outcomes)
            with suppress(BaseException), breaker.permit():
                if error:
                    raise error
            clock.now += 1

    for thread in _call_from_threads(50, calls):
        thread.join(30)
    assert breaker.snapshot().probes == 0
    breaker.reset()
    fail(breaker, 5)
    clock.now += 10
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(breaker.permit())
        with pytest.raises(CircuitOpenError):
            held.enter_context(breaker.permit())


def test_breaker_does_not_hold_its_lock_during_calls() -> None:
    breaker = CircuitBreaker("getEvents")
    together = threading.Barrier(8)

    def call() -> None:
        with breaker.permit():
            together.wait(5)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not together.broken


@pytest.mark.parametrize(
    "wrong", [{"half_open_max": 0}, {"failure_threshold": 0}, {"open_s": -1.0}, {"wait_s": -1.0}]
)
def test_breaker_settings_refuse_what_would_hang(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        BreakerSettings(**wrong)  # type: ignore[arg-type]
