"""The plan of a backfill: pure arithmetic, and what it shows to a person."""

import pytest

from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.backfill import (
    BackfillPlan,
    fail_on_failed_chunks,
    plan_backfill,
)
from sorobanflow.pipeline.backfill_summary import FanOutSummary, PlanSummary
from sorobanflow.pipeline.probe import Probe
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.sources.source import Available
from sorobanflow.store.coverage import Coverage

NODE = Available(oldest=100, newest=200)


def _coverage(*covered: tuple[int, int], gaps: tuple[tuple[int, int], ...] = ()) -> Coverage:
    return Coverage(
        tuple(LedgerRange(*one) for one in covered), tuple(LedgerRange(*one) for one in gaps)
    )


def _plan(first: int, last: int, coverage: Coverage, chunk: int, force: bool) -> BackfillPlan:
    return plan_backfill(LedgerRange(first, last), NODE, coverage, chunk, force)


def test_plan_leaves_out_what_is_covered_and_starts_at_the_retention_edge() -> None:
    plan = _plan(100, 160, _coverage((90, 109), (121, 130)), 8, force=False)
    assert plan.chunks == [(110, 117), (118, 120), (131, 138), (139, 146), (147, 154), (155, 160)]
    assert (plan.covered, plan.lost, plan.ledgers) == (20, [], 41)


def test_plan_names_what_the_node_no_longer_has() -> None:
    plan = _plan(50, 120, _coverage((60, 69)), 100, force=False)
    assert plan.lost == [(50, 59), (70, 99)]
    assert plan.chunks == [(100, 120)]


def test_plan_takes_up_a_known_gap_that_the_node_has_after_all() -> None:
    plan = _plan(100, 120, _coverage((100, 109), (116, 120), gaps=((110, 115),)), 100, force=False)
    assert plan.chunks == [(110, 115)]


def test_forced_plan_holds_covered_ledgers_but_not_lost_ones() -> None:
    plan = _plan(90, 120, _coverage((90, 120)), 20, force=True)
    assert plan.chunks == [(100, 119), (120, 120)]
    assert (plan.covered, plan.lost) == (31, [])


def test_plan_of_a_covered_range_is_empty() -> None:
    assert _plan(100, 120, _coverage((1, 200)), 20, force=False).chunks == []


def test_range_above_the_newest_ledger_is_refused() -> None:
    message = "end_ledger 201 is above the source's newest ledger 200; it has 100 to 200"
    with pytest.raises(ConfigurationError, match=message):
        _plan(150, 201, Coverage(), 10, force=False)


@pytest.mark.parametrize(
    ("fetch_s", "decode_s", "text"), [(4.0, 1.0, "20 seconds"), (1.0, 3.0, "30 seconds")]
)
def test_estimate_scales_the_probe_and_takes_the_longer_time(
    fetch_s: float, decode_s: float, text: str
) -> None:
    plan = _plan(100, 199, Coverage(), 50, force=False)
    probe = Probe(LedgerRange(101, 110), 3, 2**20, fetch_s, decode_s)
    shown = dict(PlanSummary(RpcStats(), plan=plan, probe=probe, concurrency=2).table())
    assert shown["RPC calls, estimated"] == "30"
    assert shown["MiB to fetch, estimated"] == "10.0"
    assert shown["time on this machine, estimated"] == text


def test_dry_run_shows_plan_and_where_the_estimate_is_from() -> None:
    plan = _plan(50, 199, _coverage((120, 129)), 40, force=False)
    probe = Probe(LedgerRange(100, 109), 3, 2**20, 0.5, 0.25)
    summary = PlanSummary(RpcStats(), plan=plan, probe=probe)
    assert summary.headline() == (
        "dry run: would index 90 of the 150 ledgers 50-199 in 3 chunks; nothing was written"
    )
    assert summary.table() == [
        ("ledgers requested", "150 (50-199)"),
        ("covered already", "10"),
        ("below the source's oldest ledger 100", "50 (50-99)"),
        ("to index", "90 (100-119, 130-199)"),
        ("chunks", "3 of up to 40 ledgers"),
        ("first chunk", "100-119"),
        ("RPC calls, estimated", "27"),
        ("MiB to fetch, estimated", "9.0"),
        ("time on this machine, estimated", "4 seconds"),
        (
            "the estimate is from ledgers 100-109, fetched and decoded, not written",
            "3 calls, 1.00 MiB, 0.50 s + 0.25 s",
        ),
    ]


def test_fan_out_that_met_an_incomplete_run_is_not_complete() -> None:
    assert FanOutSummary(RpcStats()).complete
    assert not FanOutSummary(RpcStats(), incomplete=1).complete


def test_failed_chunks_are_named_with_their_reasons() -> None:
    fail_on_failed_chunks({})
    failed = {LedgerRange(20, 29): "RpcTimeoutError: no answer", LedgerRange(1, 9): "Crashed: dead"}
    with pytest.raises(
        RetriableError, match=r"1-9 \(Crashed: dead\); 20-29 \(RpcT.*again to index"
    ):
        fail_on_failed_chunks(failed)


def test_plan_leaves_dropped_ledgers_out_and_refuses_to_index_them() -> None:
    covered, gap, dropped = LedgerRange(100, 139), LedgerRange(140, 142), LedgerRange(130, 149)
    rest = LedgerRange(143, 149)
    coverage = Coverage((covered, rest), (gap,), dropped=(dropped,))
    plan = _plan(120, 155, coverage, 100, force=False)
    assert plan.chunks == [(150, 155)]  # not the gap, which the node has
    assert coverage.gaps_in(LedgerRange(1, 200)) == []
    assert coverage.in_tables == [(100, 129)]
    assert _plan(110, 129, coverage, 100, force=True).chunks == [(110, 129)]
    for held, force in ((coverage, True), (Coverage(dropped=(dropped,)), False)):
        with pytest.raises(ConfigurationError, match=r"ledgers 130-149 were dropped .*archive\.md"):
            _plan(120, 155, held, 100, force=force)
