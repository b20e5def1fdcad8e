"""The engine: SQLAlchemy on a psycopg pool, which owns the connections.

SQLAlchemy's own pool has neither idle time nor statistics, so it is switched off.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from sorobanflow.errors import ConfigurationError, DatabaseUnavailableError
from sorobanflow.store.failures import named_failures
from sorobanflow.store.known_partitions import KnownPartitions
from sorobanflow.store.pool import CountingPool, PoolSettings
from sorobanflow.store.session import begin_with_settings, check_server

PUBLIC_PARTS = ("host", "port", "user", "dbname")

#: Seconds that the server gets to accept the first connection.
CONNECT_S = 5
#: Failures to connect that last until somebody acts; a FATAL one does, unless it names a state.
_LASTING = re.compile(
    r"FATAL(?!.*(starting up|shutting down|recovery|too many|connection slots))"
    r"|resolve host|translate host name|no password supplied|does not support SSL|certificate"
)

#: Number of connections that the server has left, the asking one included. A superuser may use
#: the reserved ones too. Even a user without rights on other sessions sees their database.
_LEFT = """
SELECT current_setting('max_connections')::int
  - CASE WHEN rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
      + coalesce(current_setting('reserved_connections', true)::int, 0) END
  - (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL
       AND coalesce(backend_type, 'client backend') = 'client backend'
       AND pid <> pg_backend_pid())
FROM pg_roles WHERE rolname = current_user
"""


@contextmanager
def open_engine(
    url: str,
    settings: PoolSettings,
    on_pool: Callable[[CountingPool], object] = lambda pool: None,
    *,
    application: str = "sorobanflow",
) -> Iterator[Engine]:
    """Open an engine on a libpq URL or connection string, and close it with its pool.

    `on_pool` gets the pool before the server is asked anything, so that it can be cut off. The
    server shows its sessions under the name of the `application`, unless the URL has one.

    Raises ConfigurationError if the URL is not valid, the server refuses the connection, or does
    not suit; DatabaseUnavailableError if no connection is possible now; else see `failures`.
    """
    try:
        pool = CountingPool(url, {"application_name": application} | _parse(url), settings)
    except ValueError as error:
        raise ConfigurationError(f"the pool settings contradict each other: {error}") from error
    _check_address(url)
    engine = create_engine(
        "postgresql+psycopg://",
        creator=pool.getconn,
        poolclass=NullPool,
        execution_options={"pool": pool, "partitions": KnownPartitions()},
    )
    begin_with_settings(engine)
    try:
        pool.open()
        on_pool(pool)
        with named_failures():
            pool.server_left = _server_left(pool, settings)
            yield engine
    finally:
        engine.dispose()
        pool.close()


def pool_of(engine: Engine) -> CountingPool:
    """Return the pool of an engine of `open_engine`, open or closed."""
    pool = engine.get_execution_options()["pool"]
    assert isinstance(pool, CountingPool)
    return pool


def driver_connection(connection: Connection) -> "psycopg.Connection[Any]":
    """Return the psycopg connection of an SQLAlchemy one, which cannot COPY.

    Outside of a transaction of the SQLAlchemy one, each statement is committed by itself.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def public_conninfo(url: str) -> str:
    """Return what may be shown of a database's address: host, port, user and name."""
    parts = _parse(url)
    return make_conninfo("", **{name: parts[name] for name in PUBLIC_PARTS if name in parts})


def _parse(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        # The driver's message quotes the URL, which may hold a password.
        raise ConfigurationError(
            "the database URL is not a libpq connection string; expected "
            "postgresql://user@host:port/database or key=value pairs"
        ) from None


def _check_address(url: str) -> None:
    """Connect once; the pool would keep trying, and hide why it cannot."""
    try:
        psycopg.connect(url, connect_timeout=CONNECT_S).close()
    except psycopg.OperationalError as error:
        message = " ".join(str(error).split())
        place = f"({public_conninfo(url)})"
        if _LASTING.search(message):
            reason = message[max(0, message.find("FATAL")) :]
            raise ConfigurationError(f"no connection to the database {place}: {reason}") from None
        raise DatabaseUnavailableError(f"no connection {place}: {message}") from None


def _server_left(pool: CountingPool, settings: PoolSettings) -> int:
    """Open the pool's first connection, check the server, and ask how many it has left."""
    with pool.connection() as connection:
        check_server(connection)
        (left,) = connection.execute(_LEFT).fetchone() or (settings.max_open,)
    return int(left)
