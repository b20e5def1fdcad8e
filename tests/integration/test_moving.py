"""The last release's database with rows: migrated, used while they move, and brought back."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from deployments.migrate import move_old_rows, progress_line
from sorobanflow.audit.agreement import fetch_rows
from sorobanflow.devnet import Chain, DevnetServer, Generator
from sorobanflow.errors import SchemaError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import moving, schema
from sorobanflow.store.claims import read_claims
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.engine import open_engine
from sorobanflow.store.forget import forget_stream, survey_stream
from sorobanflow.store.moving import Moved, move_all, move_rows
from sorobanflow.store.partitions import list_partitions
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import PARTITIONED
from sorobanflow.store.upsert import upsert_batch
from tests.integration.index_all import index_all, source_of
from tests.integration.old_rows import store_old_rows
from tests.ledgers import generated

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]

FIRST, LAST = 120_940, 120_979  # on both sides of a partition's border
#: Views that show the rows, of the tables and of what reads them.
VIEWS = [table.name for table in PARTITIONED]
VIEWS += ["transfers", "trade_prices", "path_payments", "contract_invocations", "timeline"]
#: What else a downgrade has to bring back; contract_data_entries gets its old columns at the end.
CATALOGUE = {
    "columns": "SELECT table_name, column_name, data_type, collation_name, is_nullable, "
    "numeric_precision FROM information_schema.columns WHERE table_schema = 'public' "
    "AND table_name <> 'contract_data_entries' ORDER BY 1, ordinal_position",
    "comments": "SELECT c.relname, a.attname, col_description(c.oid, a.attnum), "
    "obj_description(c.oid) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
    "WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped "
    "AND c.relname <> 'contract_data_entries' ORDER BY 1, 2",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "keys": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype <> 'n' "
    "AND connamespace = 'public'::regnamespace ORDER BY 1, 2",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    "schemas": "SELECT nspname FROM pg_namespace ORDER BY 1",
}
#: A process that moves ledger by ledger, and says so.
MOVER = """
import sys
from sorobanflow.store import moving
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
moving.FIRST_CHUNK = moving.MAX_CHUNK = 1
with open_engine(sys.argv[1], PoolSettings(max_idle=1, max_open=2)) as engine:
    moving.move_all(engine, lambda moved: print(moved, flush=True))
"""


def _all(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def _rows(engine: Engine) -> dict[str, Any]:
    """Give the number and a sum of the rows of each view, from one snapshot."""
    one = "SELECT '{0}', count(*), sum(hashtextextended(CAST(r AS text), 0)) FROM {0} AS r"
    return {name: rest for name, *rest in _all(engine, " UNION ALL ".join(map(one.format, VIEWS)))}


def _catalogue(engine: Engine) -> dict[str, Any]:
    return {name: _all(engine, query) for name, query in CATALOGUE.items()}


def _unmoved(engine: Engine) -> int:
    return int(_all(engine, "SELECT count(*) FROM pg_namespace WHERE nspname = 'unmoved'")[0][0])


@pytest.fixture(scope="module")
def old(postgres: Any) -> str:
    """Name of a database of the last release with rows, to be copied."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE old_rows")
    with open_engine(postgres.url_of("old_rows"), PoolSettings(max_idle=0)) as engine:
        schema.upgrade(engine, "0013")
        with engine.begin() as connection:
            store_old_rows(connection, FIRST, LAST)
    return "old_rows"


@pytest.fixture(scope="module")
def unmoved(administrator: Any, postgres: Any, old: str) -> str:
    """Name of a database whose old rows are still to be moved, to be copied."""
    administrator.execute(f"CREATE DATABASE unmoved_rows TEMPLATE {old}")
    with open_engine(postgres.url_of("unmoved_rows"), PoolSettings(max_idle=0)) as engine:
        schema.upgrade(engine)
    return "unmoved_rows"


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str:
    usual = "unmoved" if "upgraded" in request.fixturenames else "old"
    return str(request.getfixturevalue(getattr(request, "param", usual)))


@pytest.fixture
def upgraded(engine: Engine) -> Engine:
    """A database whose old rows are still to be moved."""
    return engine


def test_views_say_the_same_before_during_and_after_moving(engine: Engine) -> None:
    before = _rows(engine)
    assert before["operations"][0] == 27 * (LAST - FIRST + 1)
    schema.upgrade(engine)
    assert _rows(engine) == before
    move_rows(engine, LedgerRange(LAST - 9, LAST))
    assert _all(engine, "SELECT DISTINCT ledger > 120969 FROM stored.trades") == [(True,)]
    assert _rows(engine) == before
    move_all(engine)
    assert _rows(engine) == before
    for name in ("operations", "trades", "contract_calls"):
        lost = f"SELECT FROM stored.{name} AS o WHERE NOT EXISTS (SELECT FROM stored.transactions"
        lost += (
            " WHERE (ledger, application_order, hash) = (o.ledger, o.application_order, tx_hash))"
        )
        assert _all(engine, lost) == []
    with engine.begin() as connection:
        assert [one.first for one in list_partitions(connection)] == [0, 120_960, 241_920]


def test_after_moving_the_schema_is_that_of_a_new_database(
    engine: Engine, postgres: Any, migrated: str
) -> None:
    schema.upgrade(engine)
    move_all(engine)
    with open_engine(postgres.url_of(migrated), PoolSettings(max_idle=0)) as new:
        assert _catalogue(engine) == _catalogue(new)


@pytest.mark.parametrize("ledgers", [0, 10, None], ids=["none moved", "some moved", "all moved"])
def test_downgrade_brings_the_old_tables_back(engine: Engine, ledgers: int | None) -> None:
    before = _rows(engine), _catalogue(engine)
    schema.upgrade(engine)
    if ledgers is None:
        move_all(engine)
    else:
        move_rows(engine, LedgerRange(LAST - ledgers + 1, LAST))
    schema.downgrade(engine, "0013")
    assert (_rows(engine), _catalogue(engine)) == before


def test_downgrade_to_nothing_leaves_nothing(upgraded: Engine) -> None:
    move_rows(upgraded, LedgerRange(FIRST, FIRST))
    schema.downgrade(upgraded)
    assert _all(upgraded, "SELECT tablename FROM pg_tables WHERE schemaname IN "
                "('public', 'stored', 'unmoved')") == [("alembic_version",)]  # fmt: skip


def test_writers_move_their_own_ledgers_only(upgraded: Engine) -> None:
    before = _rows(upgraded)
    move_rows(upgraded, LedgerRange(FIRST + 3, FIRST + 4))
    for table in PARTITIONED:
        ledgers = _all(upgraded, f"SELECT DISTINCT ledger FROM {table.fullname} ORDER BY 1")
        assert ledgers == [(FIRST + 3,), (FIRST + 4,)], table.name
    assert _rows(upgraded) == before


def test_stream_is_forgotten_with_the_rows_that_are_unmoved(upgraded: Engine) -> None:
    open_stream(upgraded, Stream())
    with upgraded.begin() as connection:
        connection.execute(text("UPDATE coverage SET ledgers = '{[120940,120980)}'"))
    stored = {name: number for name, (number, _) in _rows(upgraded).items()}
    surveyed = [part.rows for part in survey_stream(upgraded, "all")]
    for table in PARTITIONED:
        assert sum(rows.get(table.name, 0) for rows in surveyed) == stored[table.name]
    assert stored["events"] > 0
    assert len([*forget_stream(upgraded, "all")]) == len(surveyed)
    assert {number for number, _ in _rows(upgraded).values()} == {0}


def test_two_move_and_a_writer_too(upgraded: Engine, database_url: str) -> None:
    before, sizes = _rows(upgraded), PoolSettings(max_idle=1, max_open=2)

    def write() -> None:
        with open_engine(database_url, sizes) as own:
            for ledger in Random(1).sample(range(FIRST, LAST + 1), 15):
                move_rows(own, LedgerRange(ledger, ledger))

    def move() -> None:
        with open_engine(database_url, sizes) as own:
            move_all(own)

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(move), threads.submit(move), threads.submit(write)]:
            done.result()
    assert (_rows(upgraded), _unmoved(upgraded)) == (before, 0)


@pytest.mark.parametrize("template", ["migrated"], indirect=True)
def test_new_release_writes_while_old_rows_are_unmoved(
    engine: Engine, indexed: Callable[[Generator, int], str], postgres: Any, checksums: Checksums
) -> None:
    """Stored ledgers again, some replaced, and new ones: as if there had been no old rows."""
    with (
        DevnetServer(Chain(generated(), closed=8)) as server,
        RpcClient(server.url) as client,
        open_engine(postgres.url_of(indexed(generated(), 8)), PoolSettings(max_idle=0)) as new,
    ):
        index_all(client, engine, LedgerRange(1, 6))
        schema.downgrade(engine, "0013")
        with engine.begin() as connection:
            connection.execute(text("UPDATE operations SET successful = false WHERE ledger = 4"))
            connection.execute(text("UPDATE events SET ledger = 5 WHERE ledger = 4"))
        schema.upgrade(engine)
        index_all(client, engine, LedgerRange(7, 8))
        index_all(client, engine, LedgerRange(2, 3))
        ledgers = LedgerRange(4, 5)
        rows = fetch_rows(source_of(client), ledgers)
        upsert_batch(engine, rows, "all", read_claims(engine, [ledgers]))
        assert _all(engine, "SELECT DISTINCT ledger FROM unmoved.events ORDER BY 1") == [(1,), (6,)]
        assert _rows(engine) == _rows(new)
        move_all(engine)
        later = {"contract_executables", "contracts", "contract_specs", "coverage"}
        assert _unlike(checksums(engine), checksums(new)) <= later
        for ledger in (1, 6):  # what 0013 did not know comes when they are indexed again
            index_all(client, engine, LedgerRange(ledger, ledger))
        assert _unlike(checksums(engine), checksums(new)) == set()


def _unlike(here: dict[str, Any], there: dict[str, Any]) -> set[str]:
    return {name for name in here | there if here.get(name) != there.get(name)}


def _kill_movers(engine: Engine, url: str, kills: int, seed: int) -> None:
    """Have processes move, and kill each after a random number of its lines and milliseconds."""
    before, random = _rows(engine), Random(seed)
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", MOVER, url], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(random.randint(1, 6)):
            process.stdout.readline()
        time.sleep(random.random() * 0.03)
        process.kill()
        process.communicate()
        assert _rows(engine) == before
    move_all(engine)
    assert (_rows(engine), _unmoved(engine)) == (before, 0)


def test_killed_in_the_middle_moving_goes_on(upgraded: Engine, database_url: str) -> None:
    _kill_movers(upgraded, database_url, kills=2, seed=19)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(25))
def test_killed_at_any_instant_moving_goes_on(
    upgraded: Engine, database_url: str, seed: int
) -> None:
    _kill_movers(upgraded, database_url, kills=12, seed=seed)


def test_reader_delays_the_last_step_only(
    upgraded: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "LOCK_S", 0.1)
    with ThreadPoolExecutor(1) as threads:
        with psycopg.connect(database_url) as reader:
            reader.execute("SELECT FROM events LIMIT 1")
            done = threads.submit(move_all, upgraded)
            while _all(upgraded, "SELECT FROM unmoved.events LIMIT 1"):
                time.sleep(0.02)
            time.sleep(0.3)
            assert not done.done()
        done.result()
    assert _unmoved(upgraded) == 0


def test_operation_without_its_transaction_is_kept(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM transactions WHERE application_order < 3"))
    before = _rows(engine)
    schema.upgrade(engine)
    move_all(engine)
    assert _rows(engine) == before


DEPENDENTS = {
    "view mine": "CREATE VIEW mine AS SELECT contract_id FROM events",
    "view theirs": "CREATE MATERIALIZED VIEW theirs AS SELECT count(*) FROM operations",
    "constraint of_mine on table noted": "CREATE TABLE noted (hash text, "
    "CONSTRAINT of_mine FOREIGN KEY (hash) REFERENCES transactions)",
}


def test_migration_refuses_what_depends_on_the_tables_and_names_it(engine: Engine) -> None:
    with engine.begin() as connection:
        for statement in DEPENDENTS.values():
            connection.execute(text(statement))
    before = _rows(engine)
    with pytest.raises(SchemaError) as refused:
        schema.upgrade(engine)
    assert [name for name in DEPENDENTS if name not in str(refused.value)] == []
    assert "sorobanflow migrate" in str(refused.value)
    assert _all(engine, "SELECT version_num FROM alembic_version") == [("0013",)]
    assert _rows(engine) == before


def test_views_on_our_views_stay(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW mine AS SELECT count(*) AS n FROM transfers"))
    before = _all(engine, "SELECT * FROM mine")
    schema.upgrade(engine)
    assert _all(engine, "SELECT * FROM mine") == before
    move_all(engine)
    assert _all(engine, "SELECT * FROM mine") == before


def test_migrate_says_how_far_it_is(
    upgraded: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "FIRST_CHUNK", 10)
    move_old_rows(upgraded, show_every_s=0)
    first, *progress, last = capsys.readouterr().out.splitlines()
    assert first.startswith("moving rows into the new tables")
    assert progress[0].startswith(f"moved ledgers from {LAST - 9} on: 540 rows, ")
    assert last == "all rows are moved"
    move_old_rows(upgraded)
    assert capsys.readouterr().out == ""


def test_progress_names_rate_and_rest() -> None:
    moved = Moved(LedgerRange(51_000_000, 51_000_099), 30_000, 2.0)
    line = "moved ledgers from 51000000 on: 30,000 rows, 15,000 a second"
    assert progress_line(moved, 2_730_000) == f"{line}, about 3 min left"
    assert progress_line(moved, 0) == line
