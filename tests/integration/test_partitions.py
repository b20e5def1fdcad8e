"""Partitions: made ahead and on demand, by whoever comes, while others read and write."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event, text

from sorobanflow.ledgers import LAST_LEDGER, LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.events import EventRow
from sorobanflow.store.claims import Claims
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.engine import driver_connection, open_engine
from sorobanflow.store.known_partitions import known_partitions
from sorobanflow.store.partitions import (
    drop_partition,
    ensure_partitions,
    list_partitions,
    set_partition_ledgers,
)
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.session import with_settings
from sorobanflow.store.tables import PARTITIONED
from sorobanflow.store.upsert import upsert_batch

CLOSED = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = 120_960
INSERT = """
    INSERT INTO stored.contract_calls
        (closed_at, ledger, application_order, call_index, depth, returned, tx_hash, function)
    VALUES ('2026-01-01Z', {ledger}, 1, 0, 0, true, '', '{function}')
"""
NO_WAIT = "SET LOCAL lock_timeout = '1s';"


def _ranges(engine: Engine) -> list[tuple[int, int]]:
    with engine.begin() as connection:
        return [(one.first, one.last) for one in list_partitions(connection)]


def _tables(engine: Engine) -> int:
    query = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
    with engine.begin() as connection:
        found = connection.execute(text(query + "'stored'::regnamespace"))
        return int(found.scalar_one())


def _pin(engine: Engine, size: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO network (passphrase) VALUES ('a test')"))
    set_partition_ledgers(engine, size)


@contextmanager
def _open(url: str, *statements: str) -> Iterator["psycopg.Connection[Any]"]:
    """Give a connection with a transaction that executed the statements."""
    with psycopg.connect(url) as connection:
        connection.execute(NO_WAIT)
        for statement in statements:
            connection.execute(statement)
        yield connection


@pytest.fixture
def template(unpartitioned: str) -> str:
    return unpartitioned


@pytest.fixture
def other(database_url: str) -> Iterator[Engine]:
    """An engine that knows no partitions, as of another process."""
    with open_engine(database_url, PoolSettings(max_idle=1, max_open=4)) as engine:
        yield engine


def test_partitions_are_made_for_a_batch_and_one_ahead(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(60_000_000, 60_000_020))
    assert _ranges(engine) == [(59_996_160, 60_117_119), (60_117_120, 60_238_079)]
    assert _tables(engine) == 2 * len(PARTITIONED)


def test_who_enters_the_newest_partition_makes_the_next_one(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(5, WEEK - 1))
    ensure_partitions(engine, LedgerRange(WEEK - 1, WEEK))
    assert _ranges(engine) == [(n * WEEK, (n + 1) * WEEK - 1) for n in range(3)]


def test_backfill_makes_what_it_needs_and_nothing_ahead(engine: Engine, other: Engine) -> None:
    ensure_partitions(engine, LedgerRange(60_000_000, 60_000_000))
    ensure_partitions(other, LedgerRange(9_999, 9_999 + WEEK))
    found = [(0, WEEK - 1), (WEEK, 2 * WEEK - 1)]
    assert _ranges(engine) == [*found, (59_996_160, 60_117_119), (60_117_120, 60_238_079)]


def test_another_size_fills_up_to_what_is_there(engine: Engine, other: Engine) -> None:
    ensure_partitions(engine, LedgerRange(60_000_000, 60_000_000))
    _pin(engine, 50_000)
    ensure_partitions(other, LedgerRange(59_990_000, 60_238_080))
    assert _ranges(engine) == [
        *((59_950_000, 59_996_159), (59_996_160, 60_117_119), (60_117_120, 60_238_079)),
        *((60_238_080, 60_249_999), (60_250_000, 60_299_999)),
    ]


def test_last_ledger_has_a_partition_and_nothing_is_after_it(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(LAST_LEDGER, LAST_LEDGER))
    assert _ranges(engine) == [(LAST_LEDGER // WEEK * WEEK, LAST_LEDGER)]
    with engine.begin() as connection:
        connection.execute(text(INSERT.format(ledger=LAST_LEDGER, function="a")))


def test_known_partitions_are_not_asked_for_again(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(5, 5))
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    ensure_partitions(engine, LedgerRange(6, WEEK - 1))
    assert statements == []


def test_several_writers_make_the_same_partitions_at_the_same_time(
    database_url: str, engine: Engine
) -> None:
    together = threading.Barrier(4)

    def make(first: int) -> None:
        with open_engine(database_url, PoolSettings(max_idle=1, max_open=1)) as own:
            together.wait(20)
            ensure_partitions(own, LedgerRange(first, first + WEEK))

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(make, first) for first in (5, WEEK + 5, 5, WEEK + 5)]:
            done.result()
    assert _ranges(engine) == [(n * WEEK, (n + 1) * WEEK - 1) for n in range(4)]


def test_partitions_are_made_while_others_write_and_read(
    database_url: str, engine: Engine, other: Engine
) -> None:
    ensure_partitions(engine, LedgerRange(5, 5))
    locks = [f"LOCK TABLE {table.fullname} IN ROW EXCLUSIVE MODE" for table in PARTITIONED]
    reads = [f"SELECT count(*) FROM {table.name}" for table in PARTITIONED]
    with (
        _open(database_url, INSERT.format(ledger=5, function="a"), *locks),
        _open(database_url, *reads),
    ):
        ensure_partitions(with_settings(other, NO_WAIT), LedgerRange(9 * WEEK, 9 * WEEK))
    assert _ranges(engine)[-1] == (10 * WEEK, 11 * WEEK - 1)


def test_others_write_and_read_while_partitions_are_made(database_url: str, engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(5, 5))
    with _open(database_url, f"SELECT stored.make_partitions({9 * WEEK}, {9 * WEEK})") as maker:
        with _open(database_url, INSERT.format(ledger=5, function="a")) as writer:
            writer.commit()
            for table in PARTITIONED:
                writer.execute(f"SELECT count(*) FROM {table.name}".encode())
        maker.commit()
    assert (9 * WEEK, 10 * WEEK - 1) in _ranges(engine)


def test_partitions_have_what_their_table_has(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(5, 5))
    with engine.begin() as connection:
        for table in PARTITIONED:
            indexes = "SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid = '{}'::regclass"
            counts = [
                connection.execute(text(indexes.format(name))).scalar_one()
                for name in (table.fullname, f"{table.fullname}_0000000000")
            ]
            assert counts[0] == counts[1] == 1 + len(table.indexes)


def test_key_is_unique_and_a_lookup_by_it_reads_one_partition(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(5, 5 * WEEK))
    with engine.begin() as connection:
        connection.execute(text(INSERT.format(ledger=WEEK, function="a")))
        again = INSERT + "ON CONFLICT (ledger, application_order, call_index) DO UPDATE SET "
        again += "function = excluded.function"
        connection.execute(text(again.format(ledger=WEEK, function="b")))
        query = "SELECT function FROM contract_calls WHERE ledger = 120960"
        assert connection.execute(text(query)).scalars().all() == ["b"]
        plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())
    assert set(re.findall(r"contract_calls_(\d+)", plan)) == {"0000120960"}


def test_partitions_say_their_size(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(5, 5))
    with engine.begin() as connection:
        connection.execute(text(INSERT.format(ledger=5, function="a")))
        connection.execute(text("ANALYZE stored.contract_calls"))
        first, second = list_partitions(connection)
    assert (first.rows, second.rows) == (1, 0)
    assert first.size_bytes > second.size_bytes > 0


def _make_and_fill(engine: Engine) -> None:
    ensure_partitions(engine, LedgerRange(5, WEEK))
    with engine.begin() as connection:
        for ledger in (5, WEEK):
            connection.execute(text(INSERT.format(ledger=ledger, function="a")))


def _drop_first(engine: Engine) -> None:
    with engine.begin() as connection:
        first = list_partitions(connection)[0]
    drop_partition(engine, first)


def _detach(engine: Engine, how: str) -> None:
    with engine.connect() as connection:
        driver_connection(connection).execute(
            "ALTER TABLE stored.contract_calls "
            f"DETACH PARTITION stored.contract_calls_0000000000 {how}".encode()
        )


def _detach_in_part(engine: Engine) -> None:
    """Leave what a kill in the middle of a detachment leaves: one that is pending."""
    with engine.connect() as reader, ThreadPoolExecutor(1) as threads:
        reader.execute(text("SELECT FROM stored.contract_calls"))
        detaching = threads.submit(_detach, engine, "CONCURRENTLY")
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
        end += "'ALTER TABLE%CONCURRENTLY' AND wait_event_type = 'Lock' AND datname = "
        with psycopg.connect(driver_connection(reader).info.dsn, autocommit=True) as killer:
            while not killer.execute(f"{end}current_database()".encode()).fetchall():
                assert not detaching.done()
        with pytest.raises(psycopg.OperationalError):
            detaching.result()


@pytest.mark.parametrize(
    "before",
    [
        lambda engine: None,
        lambda engine: _detach(engine, "CONCURRENTLY"),
        _detach_in_part,
        _drop_first,
    ],
    ids=["whole", "detached", "half detached", "gone"],
)
def test_partition_is_dropped_whatever_a_kill_left(
    engine: Engine, before: Callable[[Engine], object]
) -> None:
    _make_and_fill(engine)
    with engine.begin() as connection:
        first = list_partitions(connection)[0]
    before(engine)
    drop_partition(engine, first)
    drop_partition(engine, first)
    assert _ranges(engine) == [(WEEK, 2 * WEEK - 1), (2 * WEEK, 3 * WEEK - 1)]
    assert _tables(engine) == 2 * len(PARTITIONED)
    ensure_partitions(engine, LedgerRange(5, 5))
    with engine.begin() as connection:
        calls = connection.execute(text("SELECT ledger FROM contract_calls")).scalars().all()
    assert calls == [WEEK]
    assert _ranges(engine)[0] == (0, WEEK - 1)


def test_rows_of_a_killed_drop_do_not_come_back(engine: Engine) -> None:
    _make_and_fill(engine)
    _detach(engine, "CONCURRENTLY")
    known_partitions(engine).forget()
    ensure_partitions(engine, LedgerRange(5, 5))
    with engine.begin() as connection:
        calls = connection.execute(text("SELECT ledger FROM contract_calls")).scalars().all()
    assert calls == [WEEK]


def _batch(stored: dict[int, int], value: str = "1") -> BatchRows:
    """Make a batch with so many events in each ledger, of this value."""
    batch = BatchRows(LedgerRange(min(stored), max(stored)))
    batch.closed_at = dict.fromkeys(stored, CLOSED)
    batch.events = [
        EventRow(CLOSED, ledger, 1, 0, index, False, True, b"a", None, "[]", value)
        for ledger, count in stored.items()
        for index in range(count)
    ]
    return batch


def test_batch_over_two_partitions_is_stored_merged_and_replaced(engine: Engine) -> None:
    open_stream(engine, Stream())
    query = text("SELECT ledger, value, count(*) FROM events GROUP BY 1, 2 ORDER BY 1, 2")

    def stored() -> list[Any]:
        with engine.begin() as connection:
            return [tuple(row) for row in connection.execute(query)]

    upsert_batch(engine, _batch({WEEK - 1: 3, WEEK: 2}), "all")
    assert stored() == [(WEEK - 1, 1, 3), (WEEK, 1, 2)]
    upsert_batch(engine, _batch({WEEK - 1: 1, WEEK: 1}, "2"), "all")
    assert stored() == [(WEEK - 1, 1, 2), (WEEK - 1, 2, 1), (WEEK, 1, 1), (WEEK, 2, 1)]
    upsert_batch(engine, _batch({WEEK - 1: 1, WEEK: 2}, "3"), "all", Claims())
    assert stored() == [(WEEK - 1, 3, 1), (WEEK, 3, 2)]
    assert len(_ranges(engine)) == 3


def test_batch_that_holds_nothing_makes_no_partition(engine: Engine) -> None:
    open_stream(engine, Stream())
    upsert_batch(engine, BatchRows(LedgerRange(5, 50 * WEEK)), "all")
    assert _ranges(engine) == []
