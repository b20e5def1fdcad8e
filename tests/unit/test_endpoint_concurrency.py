"""The limit of concurrent calls."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sorobanflow.errors import (
    ClientStoppedError,
    RateLimitedError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from sorobanflow.records import ConcurrencyChanged
from sorobanflow.sources.endpoint.concurrency import Concurrency
from sorobanflow.sources.rpc.stats import RpcStats
from tests.unit.clocked_node import ClockedNode


def test_concurrency_starts_at_half_and_grows_while_its_slots_are_used() -> None:
    node = ClockedNode()
    assert node.concurrency.limit == 5
    node.call(4)
    assert node.concurrency.limit == 5
    node.rounds(5)
    assert node.concurrency.limit == 10
    node.rounds(3)
    assert node.concurrency.limit == 10


@pytest.mark.parametrize("error", [RateLimitedError("HTTP 429"), RpcTimeoutError("no answer")])
def test_concurrency_halves_once_for_one_bad_moment(error: Exception) -> None:
    node = ClockedNode(8)
    node.rounds(8)
    node.call(8, error=error)
    assert node.concurrency.limit == 4
    node.call(4, error=error)
    assert node.concurrency.limit == 2
    node.rounds(9, error=error)
    assert node.concurrency.limit == 1


def test_concurrency_grows_by_one_a_round_trip_after_a_halving() -> None:
    node = ClockedNode(8)
    node.rounds(8)
    node.call(1, error=RateLimitedError("HTTP 429"))
    limits = []
    for _ in range(12):
        node.rounds(1)
        limits.append(node.concurrency.limit)
    assert limits[0] == 4
    assert limits[-1] == 8
    assert all(0 <= b - a <= 1 for a, b in itertools.pairwise(limits))


def test_concurrency_leaves_other_errors_to_the_breaker() -> None:
    node = ClockedNode()
    node.call(5, error=RpcUnavailableError("HTTP 503"))
    assert node.concurrency.limit == 5


def test_concurrency_halves_when_calls_become_slower() -> None:
    stats = RpcStats()
    node = ClockedNode(hook=stats)
    node.rounds(10, seconds=0.2)
    assert node.concurrency.limit == 10
    node.rounds(1, seconds=1.0)
    assert node.concurrency.limit == 5
    node.rounds(20, seconds=1.0)  # the new usual
    assert node.concurrency.limit == 10
    assert stats.concurrency() == "10 of 10, lowest 5; halved 1 for rising latency"


@pytest.mark.parametrize(
    "later",
    [
        {"seconds": 0.2},  # too quick to count
        {"seconds": 1.0, "size": 1_000_000},  # larger answers take longer
    ],
)
def test_concurrency_stays_for_quick_calls_and_large_answers(later: dict[str, Any]) -> None:
    node = ClockedNode()
    node.rounds(10, seconds=0.02)
    node.rounds(20, **later)
    assert node.concurrency.limit == 10


def test_concurrency_reports_its_start_and_each_change() -> None:
    records: list[Any] = []
    node = ClockedNode(4, records.append)
    node.rounds(4)
    node.call(1, error=RateLimitedError("HTTP 429"))
    assert records == [
        ConcurrencyChanged(2, 4, None),
        ConcurrencyChanged(3, 4, None),
        ConcurrencyChanged(4, 4, None),
        ConcurrencyChanged(2, 4, "rate"),
    ]


def test_concurrency_stats_say_nothing_of_halvings_where_there_were_none() -> None:
    stats = RpcStats()
    ClockedNode(hook=stats).rounds(9)
    assert stats.concurrency() == "up to 10 of 10"


def test_concurrency_makes_callers_wait_for_a_slot() -> None:
    concurrency = Concurrency(2)
    entered = threading.Event()

    def call() -> None:
        with concurrency.slot("getEvents"):
            entered.set()

    thread = threading.Thread(target=call)
    with concurrency.slot("getEvents"):
        thread.start()
        assert not entered.wait(0.05)
    thread.join(5)
    assert entered.is_set()


def test_concurrency_ends_waits_when_stopped() -> None:
    concurrency = Concurrency(1)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            with concurrency.slot("getEvents"):
                pass
        except ClientStoppedError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    with concurrency.slot("getEvents"):
        thread.start()
        concurrency.stop()
        thread.join(5)
    assert len(errors) == 1
    with pytest.raises(ClientStoppedError), concurrency.slot("getEvents"):
        pass


def test_fifty_threads_never_exceed_the_limit() -> None:
    concurrency = Concurrency(7)
    lock, most, active = threading.Lock(), 0, 0

    def work(call: Callable[[], object]) -> None:
        nonlocal most, active
        for _ in range(20):
            with concurrency.slot("getEvents") as slot:
                with lock:
                    active += 1
                    most = max(most, active)
                call()
                with lock:
                    active -= 1
                concurrency.answered(slot, 10)

    threads = [threading.Thread(target=work, args=(lambda: None,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 1 <= most <= 7
    assert concurrency._active == 0
