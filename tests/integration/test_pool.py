"""The pool on a real PostgreSQL: what it opens, keeps, closes, counts and warns of."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from inspect import getsource, signature

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from sorobanflow.errors import ConfigurationError
from sorobanflow.store import pool
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine, pool_of
from sorobanflow.store.pool import CountingPool, PoolSettings


def _use(engine: Engine, connections: int) -> list[int]:
    """Hold so many connections at once and give them back; gives their server processes."""
    with ExitStack() as held:
        opened = [held.enter_context(engine.connect()) for _ in range(connections)]
        return [one.execute(text("SELECT pg_backend_pid()")).scalar_one() for one in opened]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.02)


@pytest.fixture
def server_has(database_url: str) -> Iterator[Callable[[], int]]:
    """Count the pool's connections as the server sees them."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'sorobanflow'"
        )
        yield lambda: (connection.execute(query).fetchone() or (0,))[0]


def test_pool_starts_with_one_connection_and_grows_with_demand(
    database_url: str, server_has: Callable[[], int]
) -> None:
    with open_engine(database_url, PoolSettings(max_idle=5, max_open=10)) as engine:
        assert (pool_of(engine).stats().open, server_has()) == (1, 1)
        with ExitStack() as held:
            for _ in range(4):
                held.enter_context(engine.connect())
            stats = pool_of(engine).stats()
            assert (stats.open, stats.in_use, stats.idle, server_has()) == (4, 4, 0, 4)
        stats = pool_of(engine).stats()
        assert (stats.open, stats.in_use, stats.idle, server_has()) == (4, 0, 4, 4)
    _until(lambda: server_has() == 0)


@pytest.mark.parametrize("max_idle", [0, 2])
def test_pool_closes_what_is_given_back_beyond_max_idle(
    database_url: str, server_has: Callable[[], int], max_idle: int
) -> None:
    with open_engine(database_url, PoolSettings(max_idle=max_idle, max_open=10)) as engine:
        before = pool_of(engine).stats().closed_max_idle
        assert len(set(_use(engine, 5))) == 5
        stats = pool_of(engine).stats()
        assert (stats.open, stats.idle) == (max_idle, max_idle)
        assert stats.closed_max_idle - before == 5 - max_idle
        _until(lambda: server_has() == max_idle)
        assert len(_use(engine, 3)) == 3


def test_pool_closes_what_stays_idle(database_url: str, server_has: Callable[[], int]) -> None:
    with open_engine(database_url, PoolSettings(max_open=10, max_idle_s=1)) as engine:
        _use(engine, 5)
        _until(lambda: server_has() == 0)
        stats = pool_of(engine).stats()
        assert (stats.open, stats.idle, stats.closed_idle_time) == (0, 0, 5)
        assert (stats.closed_max_idle, stats.closed_lifetime) == (0, 0)


def test_pool_replaces_a_connection_at_the_end_of_its_lifetime(database_url: str) -> None:
    settings = PoolSettings(max_idle=1, max_open=1, max_lifetime_s=0.5)
    with open_engine(database_url, settings) as engine:
        first = _use(engine, 1)
        time.sleep(0.6)
        assert _use(engine, 1) == first
        assert _use(engine, 1) != first
        assert pool_of(engine).stats().closed_lifetime == 1


def test_pool_counts_the_callers_that_wait_and_for_how_long(database_url: str) -> None:
    with (
        open_engine(database_url, PoolSettings(max_idle=1, max_open=1)) as engine,
        ThreadPoolExecutor(1) as threads,
    ):
        with engine.connect():
            waiting = threads.submit(_use, engine, 1)
            time.sleep(0.3)
        waiting.result()
    stats = pool_of(engine).stats()
    assert stats.wait_count == 1
    assert 0.2 < stats.wait_s < 10


def test_pool_warns_once_when_waiting_is_the_bottleneck(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        open_engine(database_url, PoolSettings(max_idle=1, max_open=1)) as engine,
        ThreadPoolExecutor(4) as threads,
    ):
        for _ in range(2):
            with engine.connect():
                waiting = [threads.submit(_use, engine, 1) for _ in range(4)]
                time.sleep(0.5)
            for one in waiting:
                one.result()
    warnings = [record.message for record in caplog.records if "waiting for" in record.message]
    assert len(warnings) == 1
    assert "raise max_open of the pool, which is 1" in warnings[0]


def test_pool_that_nobody_waits_for_does_not_warn(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with open_engine(database_url, PoolSettings(max_idle=1, max_open=5)) as engine:
        _use(engine, 5)
        _use(engine, 5)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    assert (pool_of(engine).stats().wait_count, pool_of(engine).stats().wait_s) == (0, 0)


def test_table_names_each_statistic(engine: Engine) -> None:
    assert dict(pool_of(engine).stats().table()) == {
        "at most": "10",
        "open": "1",
        "in use": "0",
        "idle": "1",
        "waits for a connection": "0",
        "time waited for a connection": "0.0 s",
        "closed: enough were idle": "0",
        "closed: idle for too long": "0",
        "closed: end of lifetime": "0",
    }


def test_limits_that_contradict_are_refused(database_url: str) -> None:
    opening = open_engine(database_url, PoolSettings(max_open=0))
    with pytest.raises(ConfigurationError, match="contradict"), opening:
        pass


def test_private_names_of_psycopg_pool_are_still_there(database_url: str) -> None:
    source = getsource(pool)
    with ConnectionPool(database_url, min_size=1, max_size=1, timeout=10) as plain:
        for name in ("_lock", "_pool", "_nconns", "_nconns_min"):
            assert re.search(rf"self\.{name}\b", source), f"{name} is not used any more"
            assert hasattr(plain, name)
        for name in ("_add_to_pool", "_getconn_unchecked", "_shrink_pool"):
            ours, theirs = getattr(CountingPool, name), getattr(ConnectionPool, name)
            assert signature(ours).parameters.keys() == signature(theirs).parameters.keys()
        with plain.connection() as connection:
            assert connection._expire_at > time.monotonic()  # type: ignore[attr-defined]


CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of its own for twelve connections."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("small") / "postgres")
    with server, psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_connections = 12")
        connection.execute("CREATE ROLE anybody LOGIN")
    with server:
        yield server


@pytest.mark.parametrize(("user", "others", "left"), [("postgres", 1, 11), ("anybody", 3, 6)])
def test_pool_warns_when_it_would_open_more_than_the_server_has_left(
    small_server: EmbeddedPostgres,
    caplog: pytest.LogCaptureFixture,
    user: str,
    others: int,
    left: int,
) -> None:
    url = make_conninfo(small_server.url, user=user)
    with ExitStack() as held:
        first = held.enter_context(psycopg.connect(small_server.url, autocommit=True))
        while first.execute(CONNECTIONS).fetchone() != (1,):
            time.sleep(0.01)  # those of the test before take a moment to end
        for _ in range(others - 1):
            held.enter_context(psycopg.connect(small_server.url))
        settings = PoolSettings(max_idle=0, max_open=20, connect_timeout_s=1)
        engine = held.enter_context(open_engine(url, settings))
        for _ in range(left):
            held.enter_context(engine.connect())
        assert "had" not in caplog.text
        for _ in range(2):
            with pytest.raises((SQLAlchemyError, psycopg.Error)):
                held.enter_context(engine.connect())
    assert caplog.text.count(f"may open 20 connections, but the server had {left} left") == 1
