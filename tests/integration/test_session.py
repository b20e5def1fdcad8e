"""What roles, databases and servers set: nothing depends on it, or it is refused in one line."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, text

from sorobanflow.errors import ConfigurationError, DatabaseRefusesError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.state_rows import ContractCodeRow
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, last_advance, open_stream, read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import driver_connection, open_engine
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.session import refuse_server
from sorobanflow.store.upsert import upsert_batch

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
SETTINGS = PoolSettings(max_idle=1, max_open=2)


def _batch() -> BatchRows:
    batch = BatchRows(LedgerRange(5, 5))
    batch.closed_at = {5: datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)}
    batch.contract_code = [
        ContractCodeRow("h", b"\0\\\xff", 3, False, 5, 1, 1, 0, 9999, 5, 1, 5, 1, None)
    ]
    batch.quarantine = [QuarantineRow("event", "漢", 5, "→ \\'", "DecodeError", "é")]
    return batch


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle = 'SQL, DMY'",
        "IntervalStyle = 'iso_8601'",
        "TimeZone = 'Asia/Kolkata'",
        "bytea_output = 'escape'",
        "client_encoding = 'LATIN1'",
        "search_path = nowhere",
        "default_transaction_isolation = 'serializable'",
        "idle_in_transaction_session_timeout = '20ms'",
    ],
)
def test_settings_of_a_database_change_nothing(
    setting: str, engine: Engine, database_url: str, checksums: Checksums
) -> None:
    open_stream(engine, Stream())
    upsert_batch(engine, _batch(), "all")
    expected = checksums(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE quarantine SET attempts = 0"))
        connection.execute(text("TRUNCATE contract_code"))
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET {setting}'))
    with open_engine(database_url, SETTINGS) as other:
        upsert_batch(other, _batch(), "all")
        assert last_advance(other, "all").at.tzinfo is not None
        with other.begin() as connection:
            connection.execute(text("SELECT 1"))
            time.sleep(0.05)
            level = connection.execute(text("SHOW transaction_isolation")).scalar_one()
        assert (checksums(other), level) == (expected, "read committed")


@pytest.mark.usefixtures("new_database")
def test_tables_are_in_public_though_a_schema_is_named_like_the_user(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA postgres")
        with open_engine(database_url, SETTINGS) as engine:
            schema.prepare(engine)
            assert read_coverage(engine, "all").count == 0
        query = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('events', 'gaps')"
        found = connection.execute(f"{query} ORDER BY 1").fetchall()
        assert found == [("public",), ("stored",)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_that_cannot_hold_every_text_is_refused(
    encoding: str, postgres: EmbeddedPostgres
) -> None:
    name = encoding.lower()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        create = f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        connection.execute(create)
        try:
            opening = open_engine(postgres.url_of(name), SETTINGS)
            with pytest.raises(ConfigurationError, match=rf"{name}.*{encoding}.*'UTF8'"):
                opening.__enter__()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_server_without_multiranges_is_refused() -> None:
    refuse_server(140_000, "UTF8", "stellar")
    for version, shown in ((130_022, "13"), (90_624, "9")):
        with pytest.raises(ConfigurationError, match=rf"PostgreSQL {shown}.*needs 14.*upgrade"):
            refuse_server(version, "UTF8", "stellar")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE ROLE no_owner LOGIN", r"permission denied for schema public \(42501\).*grant"),
        ("DROP SCHEMA public", r"no schema .* \(3F000\).*create the schema public"),
    ],
)
@pytest.mark.usefixtures("new_database")
def test_empty_database_without_the_right_to_create_is_refused(
    statement: str, message: str, database_url: str
) -> None:
    user = "no_owner" if "no_owner" in statement else "postgres"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)
        try:
            with (
                pytest.raises(DatabaseRefusesError, match=message),
                open_engine(make_conninfo(database_url, user=user), SETTINGS) as engine,
            ):
                schema.prepare(engine)
        finally:
            connection.execute("DROP ROLE IF EXISTS no_owner")


def test_connection_has_limits_that_the_url_may_change(database_url: str) -> None:
    url = make_conninfo(database_url, keepalives_idle=7, application_name="mine")
    with open_engine(url, SETTINGS) as engine, engine.connect() as connection:
        driver = driver_connection(connection)
        parameters = driver.info.get_parameters()
    names = ("application_name", "keepalives_idle", "keepalives_count", "tcp_user_timeout")
    assert [parameters[name] for name in names] == ["mine", "7", "3", "60000"]
    assert driver.prepare_threshold is None
