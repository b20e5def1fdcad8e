import pytest

from sorobanflow.errors import (
    ConfigurationError,
    LedgerOutsideRetentionError,
    NodeBehindError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.work import (
    Start,
    first_ledger,
    gaps_to_try,
    refuse_lost_start,
    work_to_do,
)
from sorobanflow.sources.source import Available
from sorobanflow.store.coverage import Coverage

NODE = Available(oldest=100, newest=1000)


@pytest.mark.parametrize(
    ("start", "first"), [(None, 880), ("oldest", 100), ("latest", 1000), (500, 500), (50, 50)]
)
def test_first_ledger_of_a_new_stream(start: Start, first: int) -> None:
    assert first_ledger(start, NODE, Coverage()) == first


@pytest.mark.parametrize(
    ("start", "first"), [(None, 400), ("oldest", 100), ("latest", 400), (300, 300), (500, 400)]
)
def test_first_ledger_of_a_running_stream_never_gives_up_what_was_promised(
    start: Start, first: int
) -> None:
    assert first_ledger(start, NODE, Coverage(indexed_from=400)) == first


def test_first_ledger_above_the_tip_is_refused_with_the_nodes_range() -> None:
    with pytest.raises(ConfigurationError, match=r"1001 is above .* 1000; it has 100 to 1000"):
        first_ledger(1001, NODE, Coverage())


def test_resuming_stream_keeps_its_start_on_a_node_that_lags() -> None:
    node = Available(oldest=100, newest=380)
    coverage = Coverage((LedgerRange(400, 420),), indexed_from=400)
    assert first_ledger(None, node, coverage) == 400


def test_resuming_stream_refuses_a_node_far_behind_it() -> None:
    coverage = Coverage((LedgerRange(400, 1121),), indexed_from=400)
    with pytest.raises(NodeBehindError, match="1121 is not on the node yet; its newest is 1000"):
        first_ledger(None, NODE, coverage)


@pytest.mark.parametrize(("start", "indexed_from"), [(50, None), (50, 60), (99, 500)])
def test_start_by_number_that_the_node_has_lost_is_refused(
    start: int, indexed_from: int | None
) -> None:
    with pytest.raises(LedgerOutsideRetentionError, match=f"ledger {start} .* 100"):
        refuse_lost_start(start, start, NODE, Coverage(indexed_from=indexed_from))


@pytest.mark.parametrize(
    ("start", "first", "coverage"),
    [
        (None, 50, Coverage(indexed_from=50)),
        (500, 50, Coverage(indexed_from=50)),
        ("oldest", 100, Coverage()),
        (50, 50, Coverage((LedgerRange(50, 99),), indexed_from=100)),
        (50, 50, Coverage((), (LedgerRange(50, 99),), indexed_from=100)),
    ],
)
def test_start_is_not_refused_for_what_was_promised_stored_or_known_to_be_missing(
    start: Start, first: int, coverage: Coverage
) -> None:
    refuse_lost_start(start, first, NODE, coverage)


def test_first_run_near_the_beginning_of_the_chain_starts_at_the_oldest() -> None:
    assert first_ledger(None, Available(oldest=2, newest=20), Coverage()) == 2


def test_work_is_what_is_neither_covered_nor_a_gap() -> None:
    coverage = Coverage((LedgerRange(200, 300), LedgerRange(350, 900)), (LedgerRange(50, 120),))
    work = work_to_do(60, NODE, coverage)
    assert work.todo == [(121, 199), (301, 349), (901, 1000)]
    assert work.lost == []


def test_work_below_the_nodes_oldest_ledger_is_lost() -> None:
    work = work_to_do(40, NODE, Coverage((LedgerRange(60, 70),)))
    assert work.todo == [(100, 1000)]
    assert work.lost == [(40, 59), (71, 99)]


def test_no_work_when_the_node_has_not_reached_the_start() -> None:
    assert work_to_do(1001, NODE, Coverage()) == ([], [])


def test_coverage_above_the_tip_of_a_lagging_node_is_no_work() -> None:
    assert work_to_do(900, NODE, Coverage((LedgerRange(900, 1100),))) == ([], [])


def test_known_gaps_that_the_node_has_are_tried_again_from_the_newest_on() -> None:
    coverage = Coverage((), (LedgerRange(50, 120), LedgerRange(130, 399)))
    assert gaps_to_try(60, NODE, coverage) == [(330, 399), (230, 329), (130, 229), (100, 120)]
    assert gaps_to_try(400, NODE, coverage) == []


def test_no_more_than_a_thousand_ledgers_of_known_gaps_are_tried_in_a_run() -> None:
    coverage = Coverage((), (LedgerRange(1, 5000),))
    gaps = gaps_to_try(1, Available(oldest=1, newest=6000), coverage)
    assert (gaps[0], gaps[-1]) == ((4901, 5000), (4001, 4100))
