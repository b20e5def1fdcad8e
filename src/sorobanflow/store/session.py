"""What a database session needs: options to connect with, settings, a server that will do.

No state outlives a transaction, so each may run in another session, as behind PgBouncer in
transaction mode. What a role, a database or a pooler sets changes no result.
"""

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event

from sorobanflow.errors import ConfigurationError

MIN_VERSION = 14  # the first with multiranges

#: A server that stopped answering is noticed within a minute, not after two hours.
_DEFAULTS = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
#: PgBouncer refuses other settings at the connection, so they are part of each transaction's
#: first statement; they take no round trip of their own.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED;"
    "SET LOCAL search_path = public;"
    "SET LOCAL TimeZone = 'UTC';"
    "SET LOCAL DateStyle = 'ISO, MDY';"
    "SET LOCAL IntervalStyle = 'postgres';"
    "SET LOCAL bytea_output = 'hex';"
    "SET LOCAL idle_in_transaction_session_timeout = '5min';"
)


def connect_options(parts: dict[str, str]) -> dict[str, Any]:
    """Return the options of a connection: the URL's parts over our defaults.

    `autocommit`, because `begin_with_settings` begins the transactions; no prepared statements,
    because behind a pooler another session's may have the same name.
    """
    needed = {"client_encoding": "UTF8", "autocommit": True, "prepare_threshold": None}
    return _DEFAULTS | parts | needed


def begin_with_settings(engine: Engine) -> None:
    """Have each transaction of the engine begin with the settings that results depend on."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        more = connection.get_execution_options().get("more_settings", "")
        connection.exec_driver_sql(_BEGIN + more, execution_options={"no_parameters": True})


def with_settings(engine: Engine, statements: str) -> Engine:
    """Return the engine with more statements (SQL) at the beginning of each transaction."""
    return engine.execution_options(more_settings=statements)


def check_server(connection: "psycopg.Connection[Any]") -> None:
    """Refuse a server or database that cannot hold the tables; it was told at the connection."""
    info = connection.info
    refuse_server(info.server_version, info.parameter_status("server_encoding"), info.dbname)


def refuse_server(version: int, encoding: str | None, database: str) -> None:
    """Raise ConfigurationError if the server is too old, or the database not in UTF-8."""
    if version < MIN_VERSION * 10_000:
        raise ConfigurationError(
            f"the database server is PostgreSQL {version // 10_000}, but sorobanflow needs "
            f"{MIN_VERSION} or newer; upgrade the server, or use another one"
        )
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database {database} has the encoding {encoding}, which cannot hold every text "
            f"of the chain; use one that was created with ENCODING 'UTF8' TEMPLATE template0"
        )
