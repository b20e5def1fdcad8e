"""The index flow while its database restarts, cuts connections, is full or of another version."""

import signal
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Engine, text

from deployments.register_blocks import register_blocks
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import DatabaseRefusesError, SchemaError
from sorobanflow.store import schema
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from tests.flows.flow_server import FlowProcess, FlowServer
from tests.integration.database_server import (
    fail_writes,
    mend_writes,
    own_server,
    raising,
    start_server,
    stop_server,
)
from tests.ledgers import generated
from tests.prefect_home import unique_name
from tests.table_names import fullnames

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Blocks = Callable[[str], dict[str, str]]
LEDGERS = 60
PARAMETERS = {"start_ledger": 1, "batch_size": 120}


@pytest.fixture
def node() -> Iterator[DevnetServer]:
    with DevnetServer(Chain(generated(), closed=LEDGERS), latency_s=0.03) as server:
        yield server


def _wait_for_progress(engine: Engine, process: FlowProcess) -> None:
    while not read_coverage(engine, "all").count:
        assert not process.ended
        time.sleep(0.01)


def _indexed_again(
    engine: Engine, checksums: Checksums, run: Callable[[], object]
) -> dict[str, tuple[int, str]]:
    """Checksums after emptying the tables and an undisturbed run."""
    names = fullnames(name for name in checksums(engine) if name != "network")
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}"))
    run()
    return checksums(engine)


def test_run_goes_on_while_its_connections_are_cut(
    node: DevnetServer,
    flow_server: FlowServer,
    save_blocks: Blocks,
    engine: Engine,
    database_url: str,
    checksums: Checksums,
) -> None:
    parameters = PARAMETERS | save_blocks(node.url)
    process = flow_server.start("index", parameters)
    _wait_for_progress(engine, process)
    cut = 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        while not process.ended and cut < 3:
            cut += connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'COPY%' AND state = 'active'"
            ).rowcount
    assert process.wait() == 0
    assert cut
    assert read_coverage(engine, "all").covered == ((1, LEDGERS),)
    cut_off = checksums(engine)
    assert cut_off == _indexed_again(
        engine, checksums, lambda: flow_server.run("index", parameters)
    )


@pytest.fixture(scope="module")
def restarting() -> Iterator[EmbeddedPostgres]:
    with own_server() as server:
        yield server


@pytest.fixture
def restarting_engine(restarting: EmbeddedPostgres) -> Iterator[Engine]:
    """An engine on a server of the test's own, on tables that hold nothing."""
    with open_engine(restarting.url, PoolSettings()) as engine:
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS public, stored CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        schema.prepare(engine)
        yield engine


@pytest.fixture
def parameters(restarting: EmbeddedPostgres, node: DevnetServer) -> dict[str, object]:
    name = unique_name("restarting")
    register_blocks(
        {
            "SOROBANFLOW_BLOCK": name,
            "SOROBANFLOW_RPC_URL": node.url,
            "SOROBANFLOW_DATABASE_URL": restarting.url,
        }
    )
    return PARAMETERS | {"rpc": name, "database": name}


def test_run_goes_on_after_a_restart_of_the_server(
    restarting: EmbeddedPostgres,
    restarting_engine: Engine,
    parameters: dict[str, object],
    flow_server: FlowServer,
    checksums: Checksums,
) -> None:
    process = flow_server.start("index", parameters)
    _wait_for_progress(restarting_engine, process)
    stop_server(restarting, signal.SIGQUIT)
    start_server(restarting)
    assert process.wait() == 0
    assert read_coverage(restarting_engine, "all").covered == ((1, LEDGERS),)
    restarted = checksums(restarting_engine)
    assert restarted == _indexed_again(
        restarting_engine, checksums, lambda: flow_server.run("index", parameters)
    )


def test_run_told_to_stop_does_not_wait_for_a_server_that_is_away(
    restarting: EmbeddedPostgres,
    restarting_engine: Engine,
    parameters: dict[str, object],
    flow_server: FlowServer,
) -> None:
    process = flow_server.start("index", parameters)
    _wait_for_progress(restarting_engine, process)
    stop_server(restarting, signal.SIGQUIT)
    try:
        time.sleep(0.5)  # a batch meets the server that is away
        process.signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait() != 0
        assert time.monotonic() - began < 10
    finally:
        start_server(restarting)


def test_full_disk_ends_the_run_at_once_and_the_next_one_goes_on(
    node: DevnetServer, save_blocks: Blocks, engine: Engine
) -> None:
    blocks = save_blocks(node.url)
    fail_writes(engine, "stored.operations", raising("53100"), times=10_000)
    began = time.monotonic()
    with pytest.raises(DatabaseRefusesError, match="its disk is full"):
        index(**PARAMETERS, **blocks)
    assert time.monotonic() - began < 15
    assert read_coverage(engine, "all").covered == ()
    mend_writes(engine, "stored.operations")
    index(**PARAMETERS, **blocks)
    assert read_coverage(engine, "all").covered == ((1, LEDGERS),)


def test_schema_of_another_version_is_refused(
    node: DevnetServer, save_blocks: Blocks, engine: Engine
) -> None:
    for version in ("0001", "9999"):
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))
        with pytest.raises(SchemaError, match=rf"{version}.*sorobanflow migrate"):
            index(**PARAMETERS, **save_blocks(node.url))
    assert read_coverage(engine, "all").covered == ()
