"""What is closed, archived and dropped; and the examples of docs/archive.md over both halves."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb_extensions import import_extension
from sqlalchemy import Engine, text

from sorobanflow.archive.closed import TABLES, find_work
from sorobanflow.archive.partition import archive_table
from sorobanflow.archive.retention import drop
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.archives import guard_write, mark_dropped
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.partitions import list_partitions
from sorobanflow.store.places import open_place
from tests.ledgers import generated

PAGE = (Path(__file__).parents[2] / "docs/archive.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
RESTORE = re.search(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TRANSFERS = (
    "SELECT contract_id, count(*), max(amount) FROM token_operations WHERE type = 'transfer' "
    "GROUP BY contract_id ORDER BY contract_id"
)
EVENTS = "SELECT ledger, contract_id, topics::text, value::text FROM events"


@pytest.fixture(scope="module")
def template(indexed: Callable[..., str]) -> str:
    """Partitions of 10 ledgers: 0-9, 10-19 and 20-29 are closed, 30-39 is not."""
    return indexed(generated(), 33, 10)


def _run(engine: Engine, statement: str, **values: Any) -> Any:
    with engine.begin() as connection:
        result = connection.execute(text(statement), values)
        return result.all() if result.returns_rows else None


def _archive(engine: Engine, folder: Path, *partitions: LedgerRange) -> None:
    for ledgers in partitions:
        for table in TABLES:
            archive_table(engine, table, ledgers, open_place(str(folder), {}))


def test_partition_is_closed_when_nothing_of_it_is_missing(engine: Engine, tmp_path: Path) -> None:
    work = find_work(engine)
    assert work.unarchived == [(0, 9), (10, 19), (20, 29)]
    assert (work.waiting, work.newest, work.dropped) == ([], 33, [])
    assert [one.last for one in work.expired(14)] == [9, 19]
    assert [one.last for one in work.expired(13)] == [9, 19]
    assert [one.last for one in work.expired(4)] == [9, 19, 29]
    _run(engine, "UPDATE coverage SET ledgers = ledgers - '{[13,16),[25,26)}'::int4multirange")
    _run(engine, "INSERT INTO gaps VALUES ('all', 25, 25, 'lost')")
    work = find_work(engine)
    assert work.unarchived == [(0, 9), (20, 29)]
    assert work.waiting == [(13, 15)]
    _archive(engine, tmp_path, LedgerRange(0, 9))
    assert find_work(engine).unarchived == [(20, 29)]


def test_partition_is_dropped_only_after_all_of_its_files_are_recorded(
    engine: Engine, tmp_path: Path
) -> None:
    first, second, third = find_work(engine).closed
    _archive(engine, tmp_path, LedgerRange(0, 9), LedgerRange(10, 19))
    with engine.begin() as connection:  # ledger 19 is written again
        guard_write(driver_connection(connection), LedgerRange(19, 19))
    assert drop(engine, first, archived=True)
    assert not drop(engine, second, archived=True)
    assert not drop(engine, third, archived=True)
    assert drop(engine, third, archived=False)
    for table in TABLES:
        assert _run(engine, f"SELECT count(*) FROM {table} WHERE ledger / 10 IN (0, 2)") == [(0,)]
    assert _run(engine, "SELECT count(*) > 0 FROM transactions WHERE ledger = 19") == [(True,)]
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.dropped) == (((1, 33),), ((0, 9), (20, 29)))
    assert coverage.in_tables == [(10, 19), (30, 33)]


def test_drop_that_was_killed_is_finished_by_the_next_run(engine: Engine) -> None:
    assert mark_dropped(engine, LedgerRange(0, 9))
    work = find_work(engine)
    assert [one.first for one in work.dropped] == [0]
    assert work.unarchived == [(10, 19), (20, 29)]
    assert drop(engine, work.expired(1000)[0], archived=True)
    with engine.begin() as connection:
        assert list_partitions(connection)[0].first == 10


def test_examples_read_files_and_database_in_one_statement(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    transfers, stored = _run(engine, TRANSFERS), sorted(map(repr, map(tuple, _run(engine, EVENTS))))
    (tx_hash,) = _run(engine, "SELECT max(tx_hash) FROM events WHERE ledger = 12")[0]
    events = _run(engine, "SELECT id FROM events WHERE tx_hash = :hash ORDER BY id", hash=tx_hash)
    # The third one is in both.
    _archive(engine, tmp_path, LedgerRange(0, 9), LedgerRange(10, 19), LedgerRange(20, 29))
    for partition in find_work(engine).closed[:2]:
        assert drop(engine, partition, archived=True)
    named: dict[str, Any] = {"tx_hash": tx_hash}
    with duckdb.connect() as connection:
        import_extension("postgres", con=connection)  # in place of a download
    for code in EXAMPLES:
        code = code.replace("/srv/archive", str(tmp_path)).replace(
            "postgresql+psycopg://reader@db.example.org/stellar",
            database_url.replace("postgresql://", "postgresql+psycopg://"),
        )
        exec(code.replace("postgresql://reader@db.example.org/stellar", database_url), named)
    assert named["totals"] == [tuple(row) for row in transfers]
    assert [row[:1] for row in named["events"]] == [tuple(row) for row in events]
    assert sorted(map(repr, named["all_events"].itertuples(index=False, name=None))) == stored
    named["engine"].dispose()
    named["both"].close()


def test_dropped_ledgers_can_be_had_again(engine: Engine, tmp_path: Path) -> None:
    _archive(engine, tmp_path, LedgerRange(10, 19))
    second = find_work(engine).closed[1]
    assert drop(engine, second, archived=True)
    assert RESTORE
    statement = RESTORE[1].replace("60117120", "10").replace("60238079", "19")
    with engine.begin() as connection:
        driver_connection(connection).execute(
            statement.replace("BEGIN;", "").replace("COMMIT;", "").encode()
        )
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.dropped) == (((1, 9), (20, 33)), ())
    with engine.begin() as connection:
        guard_write(driver_connection(connection), LedgerRange(10, 10))
