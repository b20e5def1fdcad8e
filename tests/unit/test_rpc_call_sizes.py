"""How many items one call asks for."""

import pytest

from sorobanflow.sources.rpc.call_sizes import CallSize


def sizes(size: CallSize, calls: list[tuple[int, float]]) -> list[int]:
    """The size after each call that succeeded."""
    found = []
    for items, seconds in calls:
        size.succeed(items, seconds)
        found.append(size.items)
    return found


def reduced(failures: int, max_items: int = 200) -> CallSize:
    """A size after calls that failed."""
    size = CallSize(max_items, min_slow=20)
    for _ in range(failures):
        size.fail(size.items)
    return size


def calls_until(size: CallSize, items: int) -> int:
    """Full calls until the size has grown to so many items."""
    for count in range(1000):
        if size.items == items:
            return count
        size.succeed(size.items, 0.1)
    raise AssertionError(f"stays at {size.items}")


def test_call_size_falls_while_calls_are_slow_for_their_size() -> None:
    size = CallSize(200, min_slow=20)
    assert sizes(size, [(5, 0.1), (100, 2.0), (50, 1.2), (25, 0.8)]) == [200, 50, 25, 25]
    assert sizes(size, [(13, 3.0), (13, 3.0)]) == [20, 20]


def test_call_size_does_not_fall_for_slow_calls_that_find_little() -> None:
    size = CallSize(200, min_slow=20)
    assert sizes(size, [(1, 0.1), (1, 4.0), (99, 4.0), (100, 4.0)]) == [200, 200, 200, 50]


def test_call_size_grows_while_full_calls_are_quick() -> None:
    size = CallSize(200, min_slow=20)
    size.succeed(5, 0.1)
    size.succeed(100, 2.0)
    assert sizes(size, [(24, 0.1), (25, 0.1), (50, 0.4), (200, 0.4)]) == [50, 100, 200, 200]


def test_call_size_does_not_fall_for_a_long_way_to_the_node() -> None:
    size = CallSize(200, min_slow=20)
    assert sizes(size, [(1, 1.5), (100, 1.8), (200, 2.5)]) == [200, 200, 200]


def test_call_size_halves_once_for_calls_that_fail_together() -> None:
    size = CallSize(200, min_slow=20)
    for _ in range(10):
        size.fail(200)
    assert size.items == 100


def test_call_size_stays_when_a_call_for_one_item_fails() -> None:
    size = CallSize(200, min_slow=20)
    size.fail(1)
    assert size.items == 200


def test_call_size_stays_at_one_while_calls_fail() -> None:
    assert [reduced(failures).items for failures in (1, 2, 7, 8, 20)] == [100, 50, 1, 1, 1]


@pytest.mark.parametrize("failures", [1, 3, 7, 20])
def test_call_size_recovers_after_failures(failures: int) -> None:
    assert calls_until(reduced(failures), 200) <= 80


def test_call_size_that_keeps_failing_is_tried_more_and_more_seldom() -> None:
    size = CallSize(200, min_slow=20)
    waits = []
    for _ in range(8):
        size.fail(200)
        waits.append(calls_until(size, 200))
    assert waits == [2, 4, 8, 16, 32, 64, 64, 64]


def test_call_size_grows_in_slow_calls_too_where_slowness_never_reduced_it() -> None:
    size = CallSize(10_000, min_slow=10_000)
    size.fail(10_000)
    assert sizes(size, [(5000, 9.0), (5000, 9.0), (10_000, 30.0)]) == [5000, 10_000, 10_000]


def test_call_size_never_exceeds_what_the_node_states() -> None:
    size = CallSize(200, min_slow=20)
    size.state(50)
    assert sizes(size, [(50, 0.1)] * 100)[-1] == 50
    size.state(70)
    assert size.items == 50
    size.fail(50)
    assert calls_until(size, 50) == 2


@pytest.mark.parametrize(
    ("seconds", "calls"), [(0.0001, 10), (0.009, 5), (0.03, 1), (0.2, 1)], ids=str
)
def test_a_task_calls_a_quick_node_more_than_once(seconds: float, calls: int) -> None:
    size = CallSize(200, min_slow=20)
    assert size.items_per_task == 200
    size.succeed(20, seconds)
    assert size.items_per_task == calls * 200


def test_call_size_may_start_small_and_grows_from_there() -> None:
    size = CallSize(200, min_slow=1, start=5)
    assert sizes(size, [(5, 0.1), (10, 0.1), (20, 0.1)]) == [10, 20, 40]
