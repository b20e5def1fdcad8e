"""Connections: a psycopg pool under an SQLAlchemy engine.

The pool owns the connections (their number, age, idle time, waiting and
statistics); SQLAlchemy asks it for one and closing gives it back. SQLAlchemy's
own pool has neither idle time nor statistics, so it is switched off.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from sorobanflow.errors import ConfigurationError

PUBLIC_PARTS = ("host", "port", "user", "dbname")


@dataclass(frozen=True)
class PoolSettings:
    """Limits of a connection pool.

    Attributes:
        max_idle: Connections kept open while nobody uses them.
        max_open: Connections open at most; further callers wait.
        max_lifetime_s: Age in seconds at which a connection is replaced.
        max_idle_s: Idle seconds after which connections above `max_idle` close.
        connect_timeout_s: Seconds that a caller waits for a connection.
    """

    max_idle: int = 10
    max_open: int = 100
    max_lifetime_s: float = 3600.0
    max_idle_s: float = 600.0
    connect_timeout_s: float = 30.0


@contextmanager
def open_engine(url: str, settings: PoolSettings) -> Iterator[Engine]:
    """Open an engine on any libpq URL or connection string; closes with its pool.

    Raises:
        ConfigurationError: the URL does not parse, or no connection can be made.
    """
    pool = make_pool(url, settings)
    engine = create_engine("postgresql+psycopg://", creator=pool.getconn, poolclass=NullPool)
    try:
        pool.open()
        _wait_for_connection(pool, url, settings)
        yield engine
    finally:
        engine.dispose()
        pool.close()


def make_pool(url: str, settings: PoolSettings) -> "ConnectionPool[psycopg.Connection]":
    """Make a closed pool; a connection that is closed goes back to it.

    Raises:
        ConfigurationError: the URL does not parse, or the limits contradict.
    """
    parts = _parse(url)
    try:
        return ConnectionPool(
            url,
            kwargs={"application_name": "sorobanflow", **parts},
            min_size=min(settings.max_idle, settings.max_open),
            max_size=settings.max_open,
            max_lifetime=settings.max_lifetime_s,
            max_idle=settings.max_idle_s,
            timeout=settings.connect_timeout_s,
            close_returns=True,
            open=False,
            name="sorobanflow",
        )
    except ValueError as error:
        raise ConfigurationError(f"the pool settings contradict each other: {error}") from error


def public_conninfo(url: str) -> str:
    """Give what may be shown of a database's address: host, port, user and name.

    Raises:
        ConfigurationError: the URL does not parse.
    """
    parts = _parse(url)
    return make_conninfo("", **{name: parts[name] for name in PUBLIC_PARTS if name in parts})


def _parse(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        # The driver's message quotes the URL, which may hold a password.
        raise ConfigurationError(
            "the database URL is not a libpq connection string; "
            "wanted postgresql://user@host:port/database or key=value pairs"
        ) from None


def _wait_for_connection(
    pool: "ConnectionPool[psycopg.Connection]", url: str, settings: PoolSettings
) -> None:
    try:
        with pool.connection():
            return
    except PoolTimeout:
        raise ConfigurationError(
            f"no connection to the database ({public_conninfo(url)}) within "
            f"{settings.connect_timeout_s:g} s; check that it runs, its address and credentials"
        ) from None
