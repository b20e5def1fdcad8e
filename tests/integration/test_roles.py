"""`deployments/roles.sql`: what each role may do, and that it may do nothing else."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from sorobanflow.audit.agreement import compare, fetch_rows
from sorobanflow.audit.replay import replay
from sorobanflow.devnet import Chain, DevnetServer, Generator
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import schema
from sorobanflow.store.claims import read_claims
from sorobanflow.store.coverage import read_coverage, record_gap
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.moving import move_rows
from sorobanflow.store.partitions import ensure_partitions
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import metadata
from sorobanflow.store.upsert import upsert_batch
from tests.integration.index_all import index_all, source_of
from tests.integration.old_rows import store_old_rows
from tests.ledgers import generated

ROLES = Path(__file__).parents[2] / "deployments" / "roles.sql"
SETTINGS = PoolSettings(max_idle=1, max_open=2)
DDL = [
    "CREATE TABLE mine (id int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE SCHEMA mine",
    "ALTER TABLE stored.events ADD COLUMN mine int",
    "DROP TABLE stored.events",
    "DROP VIEW events",
    "TRUNCATE stored.events",
    "CREATE INDEX ON stored.events (ledger)",
    "CREATE TABLE stored.mine (id int)",
    "UPDATE alembic_version SET version_num = '0001'",
    "ALTER TABLE stored.events OWNER TO CURRENT_USER",
]


@pytest.fixture(scope="module")
def owned(administrator: psycopg.Connection, postgres: EmbeddedPostgres) -> Iterator[str]:
    """Name of a database whose tables are made by a role of its own, to be copied."""
    administrator.execute("CREATE ROLE owner_user LOGIN CREATEROLE")
    administrator.execute("CREATE DATABASE owned OWNER owner_user")
    url = make_conninfo(postgres.url_of("owned"), user="owner_user")
    with open_engine(url, PoolSettings(max_idle=0)) as engine:
        schema.prepare(engine)
    yield "owned"
    administrator.execute("DROP DATABASE owned WITH (FORCE)")
    administrator.execute("DROP ROLE owner_user")


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str:
    is_owned = "users" in request.fixturenames
    return str(request.getfixturevalue("owned")) if is_owned else "template1"


@pytest.fixture
def users(administrator: psycopg.Connection, database_url: str) -> Iterator[dict[str, str]]:
    """Connection strings of an owner that has migrated, and of a user in each role."""
    kinds = ("owner", "indexer", "reader")
    urls = {kind: make_conninfo(database_url, user=f"{kind}_user") for kind in kinds}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" OWNER TO owner_user')
    psql = [str(EmbeddedPostgres.psql_path()), "-v", "ON_ERROR_STOP=1", "-f", str(ROLES)]
    subprocess.run([*psql, urls["owner"]], check=True, capture_output=True)
    subprocess.run([*psql, database_url], check=True, capture_output=True)  # again, by another
    for kind in ("indexer", "reader"):
        administrator.execute(f"CREATE USER {kind}_user IN ROLE sorobanflow_{kind}".encode())
    yield urls
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("REASSIGN OWNED BY owner_user TO postgres")
        connection.execute("DROP OWNED BY owner_user")
        for kind in ("indexer", "reader"):
            connection.execute(f"DROP OWNED BY {kind}_user".encode())
            connection.execute(f"DROP ROLE {kind}_user".encode())


def _refused(url: str, statement: str) -> bool:
    with psycopg.connect(url) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False


def _names(url: str) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind "
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute(query + "IN ('r', 'v', 'm')")]


def test_indexer_may_index_and_keep_what_is_missing(users: dict[str, str]) -> None:
    with psycopg.connect(users["owner"]) as connection:  # only audits need this one
        name = connection.info.dbname
        connection.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM sorobanflow_indexer')
    with (
        DevnetServer(Chain(Generator(seed=120), closed=8)) as server,
        RpcClient(server.url) as client,
        open_engine(users["indexer"], SETTINGS) as engine,
    ):
        schema.prepare(engine)
        index_all(client, engine, LedgerRange(3, 6))
        index_all(client, engine, LedgerRange(3, 6))
        assert record_gap(engine, "all", LedgerRange(7, 8), "a test") == [(7, 8)]
        index_all(client, engine, LedgerRange(7, 8))
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO quarantine (kind, key, ledger, payload, error_class, error) "
                    "VALUES ('event', 'x', 3, '{}', 'DecodeError', 'a test')"
                )
            )
            connection.execute(text("DELETE FROM quarantine"))
        replay(engine, client.get_network().passphrase)
        coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((3, 8),), ())


def test_indexer_may_replace_ledgers(users: dict[str, str]) -> None:
    ledgers = LedgerRange(1, 3)
    with (
        DevnetServer(Chain(generated(), closed=3)) as server,
        RpcClient(server.url) as client,
        open_engine(users["indexer"], SETTINGS) as engine,
    ):
        index_all(client, engine, ledgers)
        for name in ("stored.events", "account_entries"):
            with engine.begin() as connection:
                connection.execute(text(f"DELETE FROM {name} WHERE ledger = 2"))
        rows = fetch_rows(source_of(client), ledgers)
        upsert_batch(engine, rows, "all", read_claims(engine, [ledgers]))
        claims = read_claims(engine, [ledgers])
        assert compare(engine, source_of(client), ledgers, claims).differences == ()


def test_indexer_may_change_no_schema_and_forget_no_coverage(users: dict[str, str]) -> None:
    kept = ("alembic_version", "coverage", "network")
    statements = [*DDL, *(f"DELETE FROM {name}" for name in kept)]
    assert [one for one in statements if not _refused(users["indexer"], one)] == []


def test_reader_may_select_every_table_and_view_and_nothing_else(users: dict[str, str]) -> None:
    names = _names(users["owner"])
    assert {"events", "balances", "transfers", "quarantine"} < set(names)
    assert [one for one in names if _refused(users["reader"], f"SELECT * FROM {one}")] == []
    named = """SELECT stored.plain('{"vec": [{"u32": 1}]}')"""  # a function that calls itself
    assert not _refused(users["reader"], named)
    tables = [table.fullname for table in metadata.sorted_tables]
    statements = [*DDL, "CREATE TEMPORARY TABLE mine (id int)"]
    statements.append("SELECT stored.make_partitions(5, 5)")
    statements += [f"INSERT INTO {name} SELECT * FROM {name}" for name in tables]
    statements += [f"DELETE FROM {name}" for name in tables]
    statements += ["UPDATE coverage SET ledgers = '{}'", "UPDATE stored.events SET ledger = 0"]
    assert [one for one in statements if not _refused(users["reader"], one)] == []


def test_tables_of_later_migrations_have_the_privileges_too(users: dict[str, str]) -> None:
    with psycopg.connect(users["owner"]) as connection:
        connection.execute("CREATE TABLE later (id int)")
        connection.execute("CREATE VIEW sooner AS SELECT * FROM later")
    assert not _refused(users["indexer"], "INSERT INTO later VALUES (1)")
    for name in ("later", "sooner"):
        assert not _refused(users["reader"], f"SELECT * FROM {name}")
    assert _refused(users["reader"], "INSERT INTO later VALUES (1)")


def test_roles_of_before_may_write_and_read_while_rows_are_moved(users: dict[str, str]) -> None:
    with open_engine(users["owner"], SETTINGS) as owner:
        schema.downgrade(owner, "0013")
        with owner.begin() as connection:
            store_old_rows(connection, 3, 6)
        schema.upgrade(owner)
    with open_engine(users["indexer"], SETTINGS) as indexer:
        move_rows(indexer, LedgerRange(4, 5))
        ensure_partitions(indexer, LedgerRange(10**6, 10**6))
    reader = psycopg.connect(users["reader"])
    with reader:
        counts = "SELECT count(*), (SELECT count(*) FROM unmoved.events) FROM events"
        assert reader.execute(counts).fetchall() == [(36, 18)]
        assert reader.execute("SELECT DISTINCT high FROM stored.partitions").fetchall()


def test_others_may_not_even_connect(postgres: EmbeddedPostgres, users: dict[str, str]) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE somebody LOGIN")
        try:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(make_conninfo(users["reader"], user="somebody"))
        finally:
            connection.execute("DROP ROLE somebody")


def test_database_without_tables_is_refused(database_url: str) -> None:
    command = [str(EmbeddedPostgres.psql_path()), "-v", "ON_ERROR_STOP=1", "-f", str(ROLES)]
    done = subprocess.run([*command, database_url], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "run sorobanflow migrate first" in done.stderr
