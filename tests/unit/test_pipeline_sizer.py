import pytest

from sorobanflow.errors import ConfigurationError
from sorobanflow.pipeline.sizer import (
    FIRST_WHOLE_LEDGERS,
    WRITE_S,
    BatchBounds,
    BatchSizer,
)

BOUNDS = BatchBounds(start=1000, min_items=100, max_items=8000)


def test_sizer_begins_with_a_few_ledgers_and_aims_at_the_target() -> None:
    sizer = BatchSizer(BOUNDS)
    assert (sizer.is_growing, sizer.next_size()) == (True, 16)
    sizer.learn(ledgers=1, items=10, size_bytes=0)
    assert (sizer.is_growing, sizer.next_size()) == (True, 4)  # grows by four at most
    sizer.learn(ledgers=4, items=40, size_bytes=0)
    sizer.learn(ledgers=64, items=640, size_bytes=0)
    assert (sizer.is_growing, sizer.next_size()) == (False, 100)
    assert sizer.expected_items(5) == 50


def test_sizer_begins_with_one_whole_ledger_which_may_be_full() -> None:
    sizer = BatchSizer(BOUNDS, FIRST_WHOLE_LEDGERS)
    assert (sizer.is_growing, sizer.next_size()) == (True, 1)
    sizer.learn(ledgers=1, items=10, size_bytes=0)
    assert sizer.next_size() == 4


def test_bytes_that_are_searched_are_work_too() -> None:
    sizer = BatchSizer(BOUNDS)
    sizer.learn(ledgers=10, items=1, size_bytes=10 * 320 * 2**10)
    assert sizer.expected_items(5) == 50


def test_sizer_never_splits_a_ledger() -> None:
    sizer = BatchSizer(BOUNDS)
    sizer.learn(ledgers=1, items=10_001, size_bytes=10**9)
    assert sizer.next_size() == 1


def test_sizer_bounds_the_bytes_of_a_batch() -> None:
    sizer = BatchSizer(BOUNDS)
    sizer.learn(ledgers=16, items=16, size_bytes=32 * 2**20)
    assert sizer.next_size() == 16


def test_sizer_crosses_empty_stretches_in_few_batches() -> None:
    sizer, first, batches = BatchSizer(BOUNDS), 1, 0
    while first <= 25_000:
        size = sizer.next_size()
        sizer.learn(size, 0, 0)
        first, batches = first + size, batches + 1
    assert batches <= 8


def test_sizer_aims_at_what_is_written_in_good_time() -> None:
    sizer = BatchSizer(BOUNDS)
    for target in (2000, 4000, 8000, 8000):
        sizer.wrote(sizer.target, WRITE_S / 4)  # twofold at most, and within the bounds
        assert sizer.target == target
    sizer.wrote(8000, WRITE_S * 1.25)
    assert sizer.target == 6400
    for _ in range(10):
        sizer.wrote(sizer.target, 60)
    assert sizer.target == 100


def test_sizer_learns_nothing_of_the_time_of_small_batches() -> None:
    sizer = BatchSizer(BOUNDS)
    sizer.wrote(499, WRITE_S / 4)
    sizer.wrote(10_000, WRITE_S * 2)  # a ledger far above the aim
    assert sizer.target == 500
    sizer.wrote(500, 0.0)
    assert sizer.target == 500


@pytest.mark.parametrize("sizes", [(0, 0, 1), (10, 11, 20), (10, 1, 9)])
def test_batch_bounds_are_ascending(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigurationError, match="must be in ascending order and at least 1"):
        BatchBounds(*sizes)
