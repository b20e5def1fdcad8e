"""The pace: how many calls go at once, and how much one asks for."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorobanflow.errors import (
    ClientStoppedError,
    RateLimitedError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from sorobanflow.sources.rpc.pace import CallSize, Pace
from sorobanflow.sources.rpc.stats import PaceChanged, RpcStats


class Node:
    """A node under a fake clock: `call` makes so many calls at once, each `seconds` long."""

    def __init__(self, most: int = 10, hook: Any = None) -> None:
        self.now = 0.0
        self.pace = Pace(most, hook=hook, clock=lambda: self.now)

    def call(
        self,
        count: int,
        seconds: float = 0.1,
        error: Exception | None = None,
        size: int = 1000,
    ) -> None:
        slots = [self.pace.slot("getEvents") for _ in range(count)]
        entered = [(slot, slot.__enter__()) for slot in slots]
        self.now += seconds
        for slot, call in entered:
            if error is None:
                self.pace.answered(call, size)
                slot.__exit__(None, None, None)
            else:
                assert not slot.__exit__(type(error), error, None)

    def rounds(self, count: int, **how: Any) -> None:
        """Make as many calls at once as are allowed, so many times."""
        for _ in range(count):
            self.call(self.pace.limit, **how)


def test_pace_starts_at_half_and_grows_while_its_places_are_used() -> None:
    node = Node()
    assert node.pace.limit == 5
    node.call(4)
    assert node.pace.limit == 5
    node.rounds(5)
    assert node.pace.limit == 10
    node.rounds(3)
    assert node.pace.limit == 10


@pytest.mark.parametrize("error", [RateLimitedError("HTTP 429"), RpcTimeoutError("no answer")])
def test_pace_halves_once_for_one_bad_moment(error: Exception) -> None:
    node = Node(8)
    node.rounds(8)
    node.call(8, error=error)
    assert node.pace.limit == 4
    node.call(4, error=error)
    assert node.pace.limit == 2
    node.rounds(9, error=error)
    assert node.pace.limit == 1


def test_pace_grows_by_one_a_round_trip_after_a_halving() -> None:
    node = Node(8)
    node.rounds(8)
    node.call(1, error=RateLimitedError("HTTP 429"))
    limits = []
    for _ in range(12):
        node.rounds(1)
        limits.append(node.pace.limit)
    assert limits[0] == 4
    assert limits[-1] == 8
    assert all(0 <= b - a <= 1 for a, b in itertools.pairwise(limits))


def test_pace_leaves_other_errors_to_the_breaker() -> None:
    node = Node()
    node.call(5, error=RpcUnavailableError("HTTP 503"))
    assert node.pace.limit == 5


def test_pace_halves_when_calls_become_slower() -> None:
    stats = RpcStats()
    node = Node(hook=stats)
    node.rounds(10, seconds=0.2)
    assert node.pace.limit == 10
    node.rounds(1, seconds=1.0)
    assert node.pace.limit == 5
    node.rounds(20, seconds=1.0)  # the new usual
    assert node.pace.limit == 10
    assert str(stats.pace()) == "10 of 10, lowest 5; halved 1 for rising latency"


@pytest.mark.parametrize(
    "later",
    [
        {"seconds": 0.2},  # too quick to mind
        {"seconds": 1.0, "size": 1_000_000},  # larger answers take longer
    ],
)
def test_pace_minds_neither_quick_calls_nor_large_answers(later: dict[str, Any]) -> None:
    node = Node()
    node.rounds(10, seconds=0.02)
    node.rounds(20, **later)
    assert node.pace.limit == 10


def test_pace_reports_its_start_and_each_change() -> None:
    records: list[Any] = []
    node = Node(4, records.append)
    node.rounds(4)
    node.call(1, error=RateLimitedError("HTTP 429"))
    assert records == [
        PaceChanged(2, 4, None),
        PaceChanged(3, 4, None),
        PaceChanged(4, 4, None),
        PaceChanged(2, 4, "rate"),
    ]


def test_pace_stats_say_nothing_of_halvings_where_there_were_none() -> None:
    stats = RpcStats()
    Node(hook=stats).rounds(9)
    assert str(stats.pace()) == "up to 10 of 10"


def test_pace_makes_callers_wait_for_a_place() -> None:
    pace = Pace(2)
    entered = threading.Event()

    def call() -> None:
        with pace.slot("getEvents"):
            entered.set()

    thread = threading.Thread(target=call)
    with pace.slot("getEvents"):
        thread.start()
        assert not entered.wait(0.05)
    thread.join(5)
    assert entered.is_set()


def test_pace_ends_waits_when_stopped() -> None:
    pace = Pace(1)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            with pace.slot("getEvents"):
                pass
        except ClientStoppedError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    with pace.slot("getEvents"):
        thread.start()
        pace.stop()
        thread.join(5)
    assert len(errors) == 1
    with pytest.raises(ClientStoppedError), pace.slot("getEvents"):
        pass


@given(
    st.lists(
        st.sampled_from(
            [None, RateLimitedError("429"), RpcTimeoutError("late"), ValueError("ours")]
        ),
        max_size=60,
    ),
    st.integers(1, 20),
)
def test_pace_keeps_between_one_and_the_cap_and_loses_no_place(
    outcomes: list[Exception | None], most: int
) -> None:
    node = Node(most)
    for error in outcomes:
        node.rounds(1, error=error)
        assert 1 <= node.pace.limit <= most
    assert node.pace._active == 0


def sizes(size: CallSize, calls: list[tuple[int, float]]) -> list[int]:
    found = []
    for transactions, seconds in calls:
        size.learn(transactions, seconds)
        found.append(size.transactions)
    return found


def test_call_size_grows_while_full_calls_are_quick() -> None:
    size = CallSize(20, 200)
    assert size.transactions == 100
    assert sizes(size, [(49, 0.1), (50, 0.1), (200, 0.4)]) == [100, 200, 200]


def test_call_size_falls_while_calls_are_slow_for_their_size() -> None:
    size = CallSize(20, 200)
    assert sizes(size, [(5, 0.1), (100, 2.0), (50, 1.2), (25, 0.8)]) == [100, 50, 25, 25]
    assert sizes(size, [(10, 3.0), (10, 3.0)]) == [20, 20]


def test_call_size_does_not_fall_for_a_long_wire() -> None:
    size = CallSize(20, 200)
    assert sizes(size, [(1, 1.5), (100, 1.8), (200, 2.5)]) == [100, 200, 200]


def test_fifty_threads_never_exceed_the_limit() -> None:
    pace = Pace(7)
    lock, most, active = threading.Lock(), 0, 0

    def work(call: Callable[[], object]) -> None:
        nonlocal most, active
        for _ in range(20):
            with pace.slot("getEvents") as slot:
                with lock:
                    active += 1
                    most = max(most, active)
                call()
                with lock:
                    active -= 1
                pace.answered(slot, 10)

    threads = [threading.Thread(target=work, args=(lambda: None,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 1 <= most <= 7
    assert pace._active == 0


@pytest.mark.parametrize(
    ("seconds", "calls"), [(0.0001, 10), (0.009, 5), (0.03, 1), (0.2, 1)], ids=str
)
def test_a_task_asks_a_quick_node_more_than_once(seconds: float, calls: int) -> None:
    size = CallSize(20, 200)
    assert size.of_a_task == size.transactions
    size.learn(20, seconds)
    assert size.of_a_task == calls * size.transactions
