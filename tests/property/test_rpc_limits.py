"""Concurrency and sizes of calls keep within their bounds, whatever the node answers."""

import math

from hypothesis import given
from hypothesis import strategies as st

from sorobanflow.errors import RateLimitedError, RpcTimeoutError
from sorobanflow.sources.rpc.call_sizes import CallSize
from tests.unit.clocked_node import ClockedNode


@given(
    st.lists(
        st.sampled_from(
            [None, RateLimitedError("429"), RpcTimeoutError("late"), ValueError("ours")]
        ),
        max_size=60,
    ),
    st.integers(1, 20),
)
def test_concurrency_keeps_between_one_and_the_cap_and_loses_no_slot(
    outcomes: list[Exception | None], most: int
) -> None:
    node = ClockedNode(most)
    for error in outcomes:
        node.rounds(1, error=error)
        assert 1 <= node.concurrency.limit <= most
    assert node.concurrency._active == 0


@given(
    st.lists(
        st.one_of(
            st.just(("fail", 0.0)),
            st.tuples(st.just("full"), st.floats(0, 10)),
            st.tuples(st.just("small"), st.floats(0, 10)),
            st.just(("state", 30.0)),
        ),
        max_size=60,
    )
)
def test_call_size_stays_within_its_bounds_and_recovers(events: list[tuple[str, float]]) -> None:
    size, bound = CallSize(200, min_slow=20), 200
    for kind, seconds in events:
        match kind:
            case "fail":
                size.fail(size.items)
            case "full":
                size.succeed(size.items, seconds)
            case "small":
                size.succeed(1, seconds)
            case _:
                size.state(30)
                bound = 30
        assert 1 <= size.items <= bound
        assert math.isfinite(size.items_per_task)
    for _ in range(200):
        size.succeed(size.items, 0.1)
    assert size.items == bound
