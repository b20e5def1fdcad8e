"""What a database can do to a batch: it is written whole after all, or not at all and said why."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest
from prefect.states import Failed
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, text

from sorobanflow.errors import DatabaseRefusesError, DatabaseUnavailableError, SchemaError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.batch import UpsertStep
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.events import EventRow
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, open_stream, read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine, pool_of
from sorobanflow.store.pool import PoolSettings
from tasks.upsert_batch import upsert_batch
from tests.integration.database_server import (
    fail_writes,
    mend_writes,
    own_server,
    raising,
    start_server,
    stop_server,
    wait_until_blocked,
)

CLOSED = datetime(2026, 1, 1, tzinfo=UTC)
TERMINATE = "PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(1)"
#: A step before any row, one between the tables, and the last one before the commit.
STEPS = ["ledgers", "stored.events", "coverage"]


def _event(ledger: int) -> EventRow:
    return EventRow(
        CLOSED, ledger, 1, 0, 0, False, True, ledger.to_bytes(32), None, '[{"symbol":"fee"}]',
        '{"i128":"1"}',
    )  # fmt: skip


def _batch() -> BatchRows:
    batch = BatchRows(LedgerRange(1, 9))
    batch.closed_at = dict.fromkeys(range(1, 10), CLOSED)
    batch.events = [_event(ledger) for ledger in range(1, 10)]
    return batch


def _held(engine: Engine) -> tuple[int, int, int]:
    """Ledgers, events and covered ledgers in the database."""
    with engine.begin() as connection:
        ledgers = connection.execute(text("SELECT count(*) FROM ledgers")).scalar_one()
        events = connection.execute(text("SELECT count(*) FROM events")).scalar_one()
    return ledgers, events, read_coverage(engine, "all").count


def _store(engine: Engine, look: Callable[[], object] = lambda: None) -> list[Exception]:
    """Write a batch, again where the tasks' policy says so; gives the failures passed by."""
    failures: list[Exception] = []
    while True:
        try:
            upsert_batch.fn(UpsertStep(engine, _batch(), "all", None))
            return failures
        except Exception as error:
            failures.append(error)
            look()
            retry = upsert_batch.retry_condition_fn
            assert retry is not None
            if not retry(upsert_batch, None, Failed(data=error)):  # type: ignore[arg-type]
                raise
            assert len(failures) <= upsert_batch.retries


@pytest.fixture(autouse=True)
def stream(request: pytest.FixtureRequest) -> None:
    if "engine" in request.fixturenames:
        open_stream(request.getfixturevalue("engine"), Stream())


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", [raising("40001"), raising("40P01"), raising("25P03"), TERMINATE])
def test_failure_that_passes_is_tried_again(
    engine: Engine, migrated: str, fault: str, step: str
) -> None:
    fail_writes(engine, step, fault, times=2)
    seen: list[object] = []
    failures = _store(engine, look=lambda: seen.append(_held(engine)))
    assert [type(one) for one in failures] == [DatabaseUnavailableError] * 2
    assert seen == [(0, 0, 0)] * 2
    assert _held(engine) == (9, 9, 9)


@pytest.mark.parametrize("step", STEPS)
def test_full_disk_is_said_at_once_and_leaves_nothing(engine: Engine, step: str) -> None:
    fail_writes(engine, step, raising("53100"), times=1_000)
    with pytest.raises(DatabaseRefusesError, match=r"out of order \(53100\): its disk is full"):
        _store(engine)
    assert _held(engine) == (0, 0, 0)
    mend_writes(engine, step)
    assert _store(engine) == []
    assert _held(engine) == (9, 9, 9)


def test_read_only_database_is_said_and_taken_again_when_it_writes(
    engine: Engine, database_url: str
) -> None:
    read_only = make_conninfo(database_url, options="-c default_transaction_read_only=on")
    with (
        open_engine(read_only, PoolSettings()) as standby,
        pytest.raises(DatabaseRefusesError, match=r"25006.*use the primary"),
    ):
        _store(standby)
    assert _held(engine) == (0, 0, 0)
    assert _store(engine) == []


def test_missing_right_is_said(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data"))
    try:
        with (
            open_engine(make_conninfo(database_url, user="reader"), PoolSettings()) as as_reader,
            pytest.raises(DatabaseRefusesError, match=r"\(42501\).*grant"),
        ):
            _store(as_reader)
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP ROLE reader"))


def test_schema_that_changes_while_a_run_goes_on_is_said(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE stored.events CASCADE"))
    with pytest.raises(SchemaError, match=r"events.*42P01.*sorobanflow migrate"):
        _store(engine)
    with (  # outside the tasks too
        pytest.raises(SchemaError, match="42P01"),
        open_engine(database_url, PoolSettings()) as other,
        other.begin() as connection,
    ):
        connection.execute(text("SELECT FROM events"))


def test_deadlock_with_a_session_of_somebody_else_is_tried_again(
    engine: Engine, database_url: str
) -> None:
    with (
        psycopg.connect(database_url) as other,
        ThreadPoolExecutor(1) as threads,
    ):
        other.execute("SET deadlock_timeout = '1min'")  # it is not the one to give way
        other.execute("SELECT FROM coverage FOR UPDATE")
        storing = threads.submit(_store, engine)
        wait_until_blocked(database_url)
        other.execute("INSERT INTO ledgers VALUES (1, now(), 0, 0)")
        other.rollback()
        failures = storing.result()
    # More than once where the next try is there before the other session has woken up.
    assert {str(one).count("40P01") for one in failures} == {1}
    assert _held(engine) == (9, 9, 9)


def test_statement_over_the_users_time_limit_is_tried_again_and_named(
    engine: Engine, database_url: str
) -> None:
    with psycopg.connect(database_url) as holder:
        holder.execute(f'ALTER DATABASE "{holder.info.dbname}" SET statement_timeout = 300')
        holder.commit()
        holder.execute("SELECT FROM coverage FOR UPDATE")
        with open_engine(database_url, PoolSettings()) as limited:
            failures = _store(limited, look=holder.rollback)
    assert [type(one) for one in failures] == [DatabaseUnavailableError]
    assert "(57014)" in str(failures[0])
    assert "raise the user's statement_timeout" in str(failures[0])
    assert _held(engine) == (9, 9, 9)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server that may be stopped, with the tables in its default database."""
    with own_server() as server:
        with open_engine(server.url, PoolSettings(max_idle=0)) as engine:
            schema.prepare(engine)
            open_stream(engine, Stream())
        yield server


@pytest.fixture
def own_engine(server: EmbeddedPostgres) -> Iterator[Engine]:
    """An engine on that server, whose tables hold nothing."""
    with open_engine(server.url, PoolSettings(max_idle=8, max_open=8)) as engine:
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE ledgers, stored.events, coverage"))
        open_stream(engine, Stream())
        yield engine


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_server_restarted_between_the_rows_and_their_coverage(
    server: EmbeddedPostgres, own_engine: Engine, how: signal.Signals
) -> None:
    with ThreadPoolExecutor(1) as threads:
        holder = psycopg.connect(server.url)
        holder.execute("SELECT FROM coverage FOR UPDATE")
        storing = threads.submit(_store, own_engine)
        wait_until_blocked(server.url)
        stop_server(server, how)
        start_server(server)
        holder.close()
        failures = storing.result()
    assert {type(one) for one in failures} == {DatabaseUnavailableError}
    assert _held(own_engine) == (9, 9, 9)


def test_pool_hands_out_no_connection_that_a_restart_has_broken(
    server: EmbeddedPostgres, own_engine: Engine
) -> None:
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(own_engine.connect())
    assert pool_of(own_engine).stats().idle == 8
    stop_server(server, signal.SIGQUIT)
    start_server(server)
    assert _store(own_engine) == []
    for _ in range(8):
        assert _held(own_engine) == (9, 9, 9)
    assert pool_of(own_engine).stats().open <= 8


def test_write_waits_for_a_server_that_is_away_for_a_moment(
    server: EmbeddedPostgres, own_engine: Engine
) -> None:
    stop_server(server, signal.SIGINT)
    back = threading.Timer(1, start_server, [server])
    back.start()
    try:
        assert _store(own_engine) == []
    finally:
        back.join()
    assert _held(own_engine) == (9, 9, 9)


def test_exhausted_pool_is_tried_again(engine: Engine, database_url: str) -> None:
    settings = PoolSettings(max_open=1, connect_timeout_s=0.2)
    with open_engine(database_url, settings) as small, ExitStack() as held:
        held.enter_context(small.connect())
        failures = _store(small, look=held.close)
    assert [type(one) for one in failures] == [DatabaseUnavailableError]
    assert _held(engine) == (9, 9, 9)


def test_stopped_engine_lets_go_of_who_waits_for_a_connection(
    engine: Engine, database_url: str
) -> None:
    with (
        open_engine(database_url, PoolSettings(max_open=1)) as small,
        ThreadPoolExecutor(1) as threads,
        small.connect(),
    ):
        waiting = threads.submit(_store, small)
        time.sleep(0.2)
        assert not waiting.done()
        pool_of(small).stop()
        assert "closed" in str(waiting.exception(timeout=5))
    assert _held(engine) == (0, 0, 0)


def test_stopped_engine_rolls_a_batch_back_that_does_not_finish(
    engine: Engine, database_url: str
) -> None:
    with (
        open_engine(database_url, PoolSettings()) as other,
        psycopg.connect(database_url) as holder,
        ThreadPoolExecutor(1) as threads,
    ):
        holder.execute("SELECT FROM coverage FOR UPDATE")
        storing = threads.submit(_store, other)
        wait_until_blocked(database_url)
        pool_of(other).stop(grace_s=0.1)
        assert storing.exception(timeout=5) is not None
        holder.rollback()
    assert _held(engine) == (0, 0, 0)
