"""The pure parts of an audit: what is missing, what differs, what comes first."""

from collections.abc import Sequence

import pytest

from sorobanflow.audit.agreement import Compared, Failure
from sorobanflow.audit.chain import Proof
from sorobanflow.audit.look import Look
from sorobanflow.audit.ranges import (
    Sample,
    choose_sample,
    promised_from,
    repair_order,
    requested_range,
)
from sorobanflow.audit.summary import AuditSummary
from sorobanflow.audit.unlike import Difference
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, subtract
from sorobanflow.pipeline.retention import RetentionClock
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.sources.source import Available
from sorobanflow.store.coverage import Coverage

WINDOW = LedgerRange(50, 200)
NODE = Available(oldest=50, newest=200)


def _ranges(*bounds: tuple[int, int]) -> tuple[LedgerRange, ...]:
    return tuple(LedgerRange(*one) for one in bounds)


def test_coverage_tells_the_missing_from_the_known_gaps() -> None:
    coverage = Coverage(_ranges((10, 19), (30, 39)), _ranges((20, 24), (90, 99)))
    requested = LedgerRange(5, 95)
    assert subtract(requested, coverage.accounted) == [(5, 9), (25, 29), (40, 89)]
    assert coverage.gaps_in(requested) == [(20, 24), (90, 95)]


def test_gap_that_is_covered_all_the_same_does_not_count() -> None:
    coverage = Coverage(_ranges((10, 19)), _ranges((18, 22)))
    assert coverage.gaps_in(LedgerRange(12, 21)) == [(20, 21)]
    assert coverage.gaps_in(LedgerRange(12, 15)) == []


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [
        (Coverage(_ranges((60, 150)), indexed_from=55), (55, 188)),
        (Coverage(_ranges((60, 195)), indexed_from=55), (55, 195)),
        (Coverage(_ranges((60, 250))), (60, 200)),
        (Coverage(_ranges((60, 150)), _ranges((40, 59))), (40, 188)),
        (Coverage(_ranges((3, 9), (60, 150)), indexed_from=55), (3, 188)),
    ],
    ids=["a minute behind the tip", "all covered", "node behind", "gaps first", "a backfill first"],
)
def test_requested_range_is_what_the_stream_is_to_hold_by_now(
    coverage: Coverage, expected: tuple[int, int]
) -> None:
    assert requested_range(None, None, NODE, coverage) == expected


def test_before_live_indexing_began_nothing_is_missing_unless_it_is_asked_for() -> None:
    backfilled = Coverage(_ranges((3, 9), (60, 150)), indexed_from=55)
    assert (promised_from(None, backfilled), promised_from(4, backfilled)) == (55, 4)
    assert promised_from(None, Coverage(_ranges((3, 9), (60, 150)))) == 0


def test_requested_range_is_what_was_asked_for() -> None:
    assert requested_range(3, 200, NODE, Coverage()) == (3, 200)


def test_requested_range_of_a_stream_without_ledgers_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nothing to audit; index it first"):
        requested_range(None, None, NODE, Coverage())


@pytest.mark.parametrize(("start", "end"), [(9, 8), (9, 201), (300, None)])
def test_requested_range_that_cannot_be_is_refused(start: int, end: int | None) -> None:
    with pytest.raises(ConfigurationError, match=rf"the range {start} .* newest ledger 200"):
        requested_range(start, end, NODE, Coverage())


def test_repair_goes_from_the_edge_of_retention_to_the_tip() -> None:
    differing = [
        Difference(70, "events", 1, 0, 0),
        Difference(101, "events", 0, 2, 0),
        Difference(120, "token_balances", 0, 0, 9),
        Difference(300, "events", 0, 1, 0),
    ]
    order = repair_order(_ranges((100, 100), (40, 52)), _ranges((55, 56)), differing, WINDOW)
    assert order == [(50, 52), (55, 56), (70, 70), (100, 101), (120, 120)]


def test_clock_counts_the_closes_until_the_ledger_is_the_oldest() -> None:
    clock = RetentionClock(ledger=170, oldest=50, seconds_per_ledger=5.5)
    assert clock.seconds_left == 660.0
    assert str(clock) == "11 minutes until ledger 170 leaves the node (oldest: 50)"


def test_clock_without_a_pace_says_so() -> None:
    clock = RetentionClock(ledger=170, oldest=50, seconds_per_ledger=None)
    assert clock.seconds_left is None
    assert "an unknown time until ledger 170" in str(clock)


def test_clock_stands_still_where_nothing_is_to_be_repaired() -> None:
    assert RetentionClock(None, 50, 5.0).seconds_left is None


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (0, []),
        (1, [(115, 115)]),
        (2, [(11, 11), (115, 115)]),
        (3, [(11, 11), (20, 20), (115, 115)]),
        (25, [(11, 20), (106, 115)]),
        ("all", [(11, 20), (106, 115)]),
    ],
)
def test_sample_is_spread_evenly_and_holds_the_newest(
    sample: Sample, expected: list[tuple[int, int]]
) -> None:
    covered = _ranges((11, 20), (106, 115))
    assert choose_sample(covered, sample) == expected


def _look(*missing: LedgerRange, failed: Sequence[Failure] = ()) -> Look:
    compared = Compared(4, failures=tuple(failed))
    return Look([*missing], [], compared, Proof(), [], RetentionClock(None, 1, None))


def test_findings_are_listed_by_kind_and_many_are_counted() -> None:
    missing = [LedgerRange(first, first) for first in (3, 5, 7)]
    failed = Failure(LedgerRange(9, 10), "the node said <b>no</b>")
    summary = AuditSummary(RpcStats(), found=_look(*missing, failed=[failed]), left=_look())
    assert summary.findings_markdown(2).splitlines() == [
        "### found: missing (3)",
        "",
        "- **3**: not stored",
        "- **5**: not stored",
        "- and 1 more",
        "",
        "### found: failed (1)",
        "",
        "- **9-10**: the node said \\<b>no\\</b>",
    ]


def test_audit_without_findings_says_that_all_is_well() -> None:
    summary = AuditSummary(RpcStats(), requested=LedgerRange(1, 9), found=_look())
    assert summary.findings_markdown(2) == (
        "All is well: of ledgers 1-9 none is missing, recorded as a gap or in quarantine, and "
        "the 4 that were compared agree with the node."
    )
