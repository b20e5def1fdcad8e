import pytest

from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import (
    LedgerRange,
    clip,
    cut,
    merge,
    parse_anchor,
    single_ledgers,
    split,
    subtract,
)


def test_merge_joins_overlapping_and_adjacent_ranges() -> None:
    parts = [LedgerRange(7, 9), LedgerRange(1, 3), LedgerRange(4, 5), LedgerRange(8, 12)]
    assert merge(parts) == [(1, 5), (7, 12)]


def test_subtract_leaves_the_holes() -> None:
    covered = [LedgerRange(1, 10), LedgerRange(15, 20), LedgerRange(30, 40)]
    assert subtract(LedgerRange(5, 35), covered) == [(11, 14), (21, 29)]


def test_subtract_of_nothing_is_the_whole_range() -> None:
    assert subtract(LedgerRange(5, 35), []) == [(5, 35)]


def test_subtract_of_everything_is_nothing() -> None:
    assert subtract(LedgerRange(5, 35), [LedgerRange(1, 40)]) == []


def test_clip_leaves_what_is_within_bounds() -> None:
    ranges = [LedgerRange(1, 5), LedgerRange(8, 12), LedgerRange(20, 30)]
    assert clip(ranges, LedgerRange(10, 20)) == [(10, 12), (20, 20)]
    assert clip(ranges, LedgerRange(6, 7)) == clip(ranges, LedgerRange(10, 9)) == []


def test_split_cuts_into_chunks_and_only_the_last_of_a_range_is_shorter() -> None:
    assert split([LedgerRange(5, 14)], 4) == [(5, 8), (9, 12), (13, 14)]
    assert split([LedgerRange(5, 5), LedgerRange(1, 3)], 2) == [(5, 5), (1, 2), (3, 3)]


def test_single_ledgers_are_joined_where_they_meet() -> None:
    assert single_ledgers([7, 3, 4, 4]) == [(3, 4), (7, 7)]


def test_range_counts_both_ends_and_prints_as_people_write_it() -> None:
    assert (LedgerRange(3, 5).size, str(LedgerRange(3, 5)), str(LedgerRange(3, 3))) == (
        3,
        "3-5",
        "3",
    )


def test_cut_gives_parts_of_about_the_same_size() -> None:
    assert cut(LedgerRange(5, 14), 4) == [(5, 6), (7, 9), (10, 11), (12, 14)]
    assert cut(LedgerRange(5, 6), 4) == [(5, 5), (6, 6)]


def test_anchor_is_a_ledger_and_a_hash() -> None:
    assert parse_anchor(f"51000294:{'0a' * 32}") == (51000294, "0a" * 32)


@pytest.mark.parametrize(
    "text", ["", "7", f":{'0a' * 32}", f"7:{'0A' * 32}", f"7:{'0a' * 31}", f"-7:{'0a' * 32}"]
)
def test_anchor_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected a ledger and the hash"):
        parse_anchor(text)
