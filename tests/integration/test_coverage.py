import threading

import pytest
from sqlalchemy import Engine, text

from sorobanflow.errors import ConfigurationError, WrongNetworkError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.coverage import (
    Coverage,
    Stream,
    add_coverage,
    end_stream,
    last_advance,
    open_stream,
    pin_network,
    read_coverage,
    record_gap,
)
from sorobanflow.store.engine import driver_connection


def _cover(engine: Engine, first: int, last: int, stream: str = "all") -> None:
    with engine.begin() as connection:
        add_coverage(driver_connection(connection), stream, LedgerRange(first, last))


def test_unknown_stream_covers_nothing(engine: Engine) -> None:
    assert read_coverage(engine, "all") == Coverage()


def test_coverage_merges_whatever_the_order(engine: Engine) -> None:
    open_stream(engine, Stream())
    for first, last in [(10, 20), (30, 40), (21, 25), (35, 50)]:
        _cover(engine, first, last)
    coverage = read_coverage(engine, "all")
    assert coverage.covered == ((10, 25), (30, 50))
    assert (coverage.count, str(coverage)) == (37, "10-25, 30-50")


def test_coverage_in_many_parts_is_shown_by_its_ends() -> None:
    coverage = Coverage(tuple(LedgerRange(n, n) for n in range(0, 100, 2)))
    assert str(coverage) == "0, 2, 4, …, 94, 96, 98"


def test_coverage_rolls_back_with_its_transaction(engine: Engine) -> None:
    open_stream(engine, Stream())
    with engine.begin() as connection:
        add_coverage(driver_connection(connection), "all", LedgerRange(1, 9))
        connection.rollback()
    assert read_coverage(engine, "all").covered == ()


def test_writers_side_by_side_lose_nothing(engine: Engine) -> None:
    open_stream(engine, Stream())
    threads = [
        threading.Thread(target=lambda n=n: [_cover(engine, i, i) for i in range(n, 60, 4)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_coverage(engine, "all").covered == ((0, 59),)


def test_promise_only_moves_back(engine: Engine) -> None:
    for ledger in (500, 600, 400):
        open_stream(engine, Stream(), ledger)
    open_stream(engine, Stream())
    assert read_coverage(engine, "all").indexed_from == 400


def test_gap_shrinks_by_what_is_stored_after_all(engine: Engine) -> None:
    open_stream(engine, Stream())
    record_gap(engine, "all", LedgerRange(10, 30), "the node's oldest ledger was 31")
    _cover(engine, 15, 20)
    assert read_coverage(engine, "all").gaps == ((10, 14), (21, 30))
    _cover(engine, 1, 30)
    assert read_coverage(engine, "all").gaps == ()


def test_gap_recorded_twice_stays_one(engine: Engine) -> None:
    open_stream(engine, Stream())
    for last in (20, 30, 25):
        record_gap(engine, "all", LedgerRange(10, last), "lost")
    coverage = read_coverage(engine, "all")
    assert coverage.gaps == ((10, 30),)
    assert coverage.accounted == [(10, 30)]


def test_gap_leaves_out_what_another_run_has_stored_meanwhile(engine: Engine) -> None:
    open_stream(engine, Stream())
    _cover(engine, 50, 99)
    assert record_gap(engine, "all", LedgerRange(40, 120), "lost") == [(40, 49), (100, 120)]
    assert read_coverage(engine, "all").gaps == ((40, 49), (100, 120))


def test_streams_do_not_share_coverage(engine: Engine) -> None:
    filtered = Stream.of_filter('{"contractIds":["C"]}')
    for stream in (Stream(), filtered):
        open_stream(engine, stream)
    _cover(engine, 1, 9, filtered.name)
    assert read_coverage(engine, "all").covered == ()
    assert read_coverage(engine, filtered.name).covered == ((1, 9),)


def test_network_is_pinned_by_the_first_run(engine: Engine) -> None:
    pin_network(engine, "Test Net")
    pin_network(engine, "Test Net")
    with pytest.raises(WrongNetworkError, match=r"'Test Net'.*'Other Net'"):
        pin_network(engine, "Other Net")


def test_stream_gets_on_with_its_newest_ledger_only(engine: Engine) -> None:
    def age_after(first: int, last: int) -> float:
        with engine.begin() as connection:
            connection.execute(text("UPDATE coverage SET advanced_at = now() - interval '1 h'"))
        _cover(engine, first, last)
        return last_advance(engine, "all").age_s

    open_stream(engine, Stream())
    assert last_advance(engine, "all").age_s < 60
    assert age_after(100, 110) < 60
    assert age_after(111, 111) < 60
    assert age_after(50, 60) > 3000  # a backfill below
    assert age_after(100, 111) > 3000  # the same ledgers again
    assert age_after(60, 112) < 60


def test_stream_that_ended_keeps_its_ledgers_and_can_begin_again(engine: Engine) -> None:
    stream = Stream("filter-1", "{}")
    for one in (Stream(), stream):
        open_stream(engine, one, 5)
    _cover(engine, 5, 9, stream.name)
    assert end_stream(engine, stream.name) == Coverage((LedgerRange(5, 9),))
    assert read_coverage(engine, "all").indexed_from == 5
    open_stream(engine, stream, 8)
    assert read_coverage(engine, stream.name).indexed_from == 8
    with pytest.raises(
        ConfigurationError, match=r"no stream 'filter-2'; there are: all, filter-1$"
    ):
        end_stream(engine, "filter-2")
