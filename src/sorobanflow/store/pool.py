"""Connections: a psycopg pool under an SQLAlchemy engine.

The pool owns the connections (their number, age, idle time, waiting and
statistics); SQLAlchemy asks it for one and closing gives it back. SQLAlchemy's
own pool has neither idle time nor statistics, so it is switched off.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from sorobanflow.errors import ConfigurationError
from sorobanflow.records import PoolStats
from sorobanflow.store.connections import CountingPool, PoolSettings
from sorobanflow.store.failures import named_failures

__all__ = [
    "PoolSettings",
    "open_engine",
    "pool_stats",
    "public_conninfo",
    "stop_engine",
]

#: Seconds that a transaction has to end when the run is leaving; a batch takes a fraction of one.
STOP_S = 3.0
PUBLIC_PARTS = ("host", "port", "user", "dbname")

#: What a server says that will have us soon.
_PASSING = ("starting up", "shutting down", "recovery", "too many", "connection slots")

#: Connections that the server leaves to this pool. A superuser may use those that are held
#: back; whoever sees nothing of another's session still sees its database.
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
def open_engine(url: str, settings: PoolSettings) -> Iterator[Engine]:
    """Open an engine on any libpq URL or connection string; closes with its pool.

    Warns once when callers wait for too long, and once when the pool would open more
    connections than the server has left.

    Raises:
        ConfigurationError: the URL does not parse, or no connection can be made.
        DatabaseUnavailableError, DatabaseRefusesError, SchemaError: in place of what the
            driver raises within, see `failures`.
    """
    pool = _make_pool(url, settings)
    _refuse_wrong_address(url)
    engine = create_engine(
        "postgresql+psycopg://",
        creator=pool.getconn,
        poolclass=NullPool,
        execution_options={"pool": pool},
    )
    try:
        pool.open()
        pool.server_left = _server_left(pool, url, settings)
        with named_failures():
            yield engine
    finally:
        engine.dispose()
        pool.close()


def stop_engine(engine: Engine, grace_s: float = STOP_S) -> None:
    """Let a run leave: no new transactions; those in hand end within `grace_s` or are rolled back.

    Who waits for a connection, or asks for one, fails at once.
    """
    _pool(engine).stop(grace_s)


def pool_stats(engine: Engine) -> PoolStats:
    """Count what the pool under an engine of `open_engine` holds and did, closed or not."""
    return _pool(engine).stats()


def _pool(engine: Engine) -> CountingPool:
    pool = engine.get_execution_options()["pool"]
    assert isinstance(pool, CountingPool)
    return pool


def _make_pool(url: str, settings: PoolSettings) -> CountingPool:
    parts = _parse(url)
    try:
        return CountingPool(url, parts, settings)
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


def _refuse_wrong_address(url: str) -> None:
    """Fail at once where a server answers that it will not have us: waiting changes nothing."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        if "FATAL" in said and not any(passing in said for passing in _PASSING):
            reason = said[said.index("FATAL") :]
            raise ConfigurationError(
                f"no connection to the database ({public_conninfo(url)}): the server says {reason}"
            ) from None


def _server_left(pool: CountingPool, url: str, settings: PoolSettings) -> int:
    """Ask on the first connection how many the server leaves, that one included."""
    try:
        with pool.connection() as connection:
            (left,) = connection.execute(_LEFT).fetchone() or (settings.max_open,)
    except PoolTimeout:
        raise ConfigurationError(
            f"no connection to the database ({public_conninfo(url)}) within "
            f"{settings.connect_timeout_s:g} s; check that it runs, its address and credentials"
        ) from None
    return int(left)
