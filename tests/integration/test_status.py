"""The status of a real node over HTTP and a real PostgreSQL, on good and on bad days."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import Engine, event, text

from blocks import database as database_block
from blocks.stellar_rpc import DEVNET_URL
from deployments.status import DEFAULT_RPC_URL, EMBEDDED_FOLDER, show
from sorobanflow.devnet import Chain, DevnetServer, Generator
from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.errors import ConfigurationError, DatabaseUnavailableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.status.health import Limits
from sorobanflow.status.model import Status
from sorobanflow.status.read import read_status
from sorobanflow.status.report import to_json, to_text
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, open_stream, record_gap
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from tests.integration.index_all import index_all

SOURCE = Generator(seed=41, transactions_per_ledger=3)
INDEXED = LedgerRange(3, 12)
ONCE = RetrySettings(attempts=1)
BIG = ("events", "transactions", "operations", "token_operations", "ledgers", "token_balances")


@pytest.fixture
def chain() -> Chain:
    return Chain(SOURCE, closed=13, retention=13)


@pytest.fixture
def client(chain: Chain) -> Iterator[RpcClient]:
    with DevnetServer(chain) as server, RpcClient(server.url, retry=ONCE) as client:
        yield client


@pytest.fixture
def indexed(client: RpcClient, engine: Engine) -> Engine:
    index_all(client, engine, INDEXED)
    return engine


def _run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def _count(engine: Engine, table: str) -> int:
    with engine.begin() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def _kinds(status: Status) -> list[tuple[str, str | None]]:
    return [(one.kind, one.stream) for one in status.problems]


def test_healthy_status_has_every_figure(indexed: Engine, client: RpcClient) -> None:
    _run(indexed, "ANALYZE")
    status = read_status(indexed, client)
    assert status.problems == status.notes == ()
    assert status.node
    assert status.node.network == "devnet"
    assert (status.node.oldest_ledger, status.node.latest_ledger) == (1, 13)
    assert status.node.latest_closed_at == datetime(2026, 1, 1, 0, 1, 5, tzinfo=UTC)
    database = status.database
    assert database
    assert database.revision == status.program_revision
    assert database.size_bytes is not None
    assert database.size_bytes > 1_000_000
    # An estimate: PostgreSQL may count what a session inserted after ANALYZE has counted it.
    assert database.rows["ledgers"] in (10, 20)
    assert database.rows["quarantine"] == 0
    (stream,) = database.streams
    assert (stream.covered.shown, stream.covered.ledgers) == ((INDEXED,), 10)
    assert (stream.lag_ledgers, stream.lag_s, stream.oldest_missing) == (1, 5.0, 13)
    assert stream.retention_left_s == 60.0
    assert stream.advanced_at is not None
    assert msgspec.json.decode(to_json(status), type=Status) == status


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("getHealth:*=missing/latestLedgerCloseTime", 65),
        ("getHealth:*=missing/latestLedgerCloseTime,getEvents:*=behind/5", None),
    ],
    ids=["from an event", "a replica that lags"],
)
def test_close_time_where_get_health_does_not_say(
    engine: Engine, chain: Chain, fault: str, expected: int | None
) -> None:
    with (
        DevnetServer(chain, faults=parse_faults(fault)) as server,
        RpcClient(server.url, retry=ONCE) as client,
    ):
        node = read_status(engine, client).node
    assert node
    closed_at = expected and datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=expected)
    assert node.latest_closed_at == closed_at


def test_stream_far_behind_is_unhealthy_and_the_clock_runs(
    indexed: Engine, client: RpcClient, chain: Chain
) -> None:
    chain.close(7)
    limits = Limits(max_lag_ledgers=7)
    status = read_status(indexed, client, limits=limits)
    assert _kinds(status) == [("behind", "all")]
    assert "8 ledgers (40 seconds) behind the node; the limit is 7" in status.problems[0].text
    assert status.database
    assert status.database.streams[0].retention_left_s == 25.0
    assert read_status(indexed, client, limits=Limits(max_lag_ledgers=8)).healthy


def test_stream_that_does_not_move_while_the_node_does_is_stalled(
    indexed: Engine, client: RpcClient, chain: Chain
) -> None:
    later = datetime.now(UTC) + timedelta(seconds=301)
    chain.close(11)  # lag 12: what live indexing leaves between two runs
    assert read_status(indexed, client, now=later).healthy
    chain.close(1)
    assert read_status(indexed, client).healthy
    assert _kinds(read_status(indexed, client, now=later)) == [("stalled", "all")]


def test_holes_and_lost_ledgers_are_unhealthy(
    indexed: Engine, client: RpcClient, chain: Chain
) -> None:
    _run(indexed, "UPDATE coverage SET ledgers = ledgers - '{[4,6),[8,10)}'::int4multirange")
    chain.close(4)  # the node's oldest is 5 now
    status = read_status(indexed, client)
    assert _kinds(status) == [("holes", "all"), ("lost", "all")]
    assert status.database
    (stream,) = status.database.streams
    assert stream.holes.shown == ((5, 5), (8, 9))
    assert stream.lost.shown == ((4, 4),)
    assert stream.oldest_missing == 5
    assert "3 ledgers (5, 8-9)" in status.problems[0].text


def test_gap_is_news_for_a_day_and_then_a_note(
    indexed: Engine, client: RpcClient, chain: Chain
) -> None:
    _run(indexed, "UPDATE coverage SET ledgers = ledgers - '{[3,5)}'::int4multirange")
    record_gap(indexed, "all", LedgerRange(3, 4), "the node's oldest ledger was 5")
    assert _kinds(read_status(indexed, client)) == [("gap", "all"), ("gap", "all")]  # it has them
    chain.close(4)
    status = read_status(indexed, client)
    assert _kinds(status) == [("gap", "all")]
    assert "2 ledgers (3-4): the node's oldest ledger was 5" in status.problems[0].text
    _run(indexed, "UPDATE gaps SET first_seen = now() - interval '25 hours'")
    status = read_status(indexed, client)
    assert status.healthy
    assert [(one.kind, one.stream) for one in status.notes] == [("gap", "all")]
    assert "last gap  3-4, recorded" in to_text(status)


def test_quarantine_is_news_for_a_day_and_then_a_note(indexed: Engine, client: RpcClient) -> None:
    insert = (
        "INSERT INTO quarantine (kind, key, ledger, payload, error_class, error, stream) SELECT "
        "'event', n::text, 5, '{}', 'DecodeError', 'bad', 'all' FROM generate_series(1, :items) n"
    )
    _run(indexed, insert, items=3)
    status = read_status(indexed, client)
    assert _kinds(status) == [("quarantine", "all")]
    assert "3 items of kind event in stream all" in to_text(status)
    _run(indexed, "UPDATE quarantine SET first_seen = now() - interval '25 hours'")
    status = read_status(indexed, client)
    assert (status.healthy, [one.kind for one in status.notes]) == (True, ["quarantine"])


def test_rows_that_are_still_to_be_moved_are_a_note(indexed: Engine, client: RpcClient) -> None:
    _run(indexed, "CREATE SCHEMA unmoved; CREATE TABLE unmoved.events AS SELECT * FROM events")
    _run(indexed, "ANALYZE unmoved.events")
    status = read_status(indexed, client)
    assert (status.healthy, [one.kind for one in status.notes]) == (True, ["unmoved"])
    assert "rows of an older release are still to be moved" in to_text(status)
    assert status.database
    assert status.database.unmoved == _count(indexed, "events")


def test_large_quarantine_is_not_counted_to_its_end(indexed: Engine, client: RpcClient) -> None:
    _run(
        indexed,
        "INSERT INTO quarantine (kind, key, ledger, payload, error_class, error, first_seen) "
        "SELECT 'event', n::text, 5, '{}', 'E', 'bad', now() - interval '2 days' "
        "FROM generate_series(1, 10002) n",
    )
    status = read_status(indexed, client)
    assert status.database
    assert (status.database.quarantine.items, status.database.quarantine.more) == (10_001, True)
    assert [one.text for one in status.problems] == ["more than 10,000 items are in quarantine"]


def test_only_backfilled_stream_promises_nothing_to_come(
    indexed: Engine, client: RpcClient, chain: Chain
) -> None:
    _run(indexed, "UPDATE coverage SET indexed_from = NULL, ledgers = '{[3,5),[8,10)}'")
    chain.close(300)
    status = read_status(indexed, client)
    assert status.healthy
    assert "all, only backfilled" in to_text(status)


def test_stream_that_nobody_indexes_any_more_can_be_left_out(
    indexed: Engine, client: RpcClient, chain: Chain
) -> None:
    abandoned = Stream.of_filter('{"contract_ids":[]}')
    open_stream(indexed, abandoned, 1)
    limits = Limits(max_lag_ledgers=2)
    assert _kinds(read_status(indexed, client, limits=limits)) == [("behind", abandoned.name)]
    assert read_status(indexed, client, limits=Limits(2, streams=("all",))).healthy
    misspelt = read_status(indexed, client, limits=Limits(2, streams=("al",)))
    assert _kinds(misspelt) == [("empty", "al")]


def test_node_away_leaves_the_database_in_the_status(indexed: Engine, client: RpcClient) -> None:
    with RpcClient("http://127.0.0.1:1", retry=ONCE) as away:
        status = read_status(indexed, away)
    assert _kinds(status) == [("node", None)]
    assert "127.0.0.1:1 failed" in status.problems[0].text
    assert status.node is None
    assert status.database
    assert status.database.streams[0].covered.ledgers == 10
    assert status.database.streams[0].lag_ledgers is None
    assert "  holes     not known" in to_text(status)


def test_database_that_goes_leaves_the_node_in_the_status(
    postgres: EmbeddedPostgres, client: RpcClient
) -> None:
    pool = PoolSettings(max_idle=1, max_open=2, connect_timeout_s=1.0)
    with psycopg.connect(postgres.url, autocommit=True) as administrator:
        administrator.execute("CREATE DATABASE going")
        with open_engine(postgres.url_of("going"), pool) as engine:
            assert _kinds(read_status(engine, client)) == [("empty", None)]
            administrator.execute("DROP DATABASE going WITH (FORCE)")
            status = read_status(engine, client)
    assert _kinds(status) == [("database", None)]
    assert status.database is None
    assert status.node
    assert "cannot be reached" in to_text(status)
    told = read_status(DatabaseUnavailableError("it is away"), client)
    assert "it is away" in told.problems[0].text


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.usefixtures("new_database")
def test_empty_database_is_unhealthy(database_url: str, client: RpcClient, prepared: bool) -> None:
    with open_engine(database_url, PoolSettings()) as engine:
        if prepared:
            schema.prepare(engine)
        status = read_status(engine, client)
    assert _kinds(status) == [("empty", None)]
    assert to_text(status).startswith("UNHEALTHY: 1 problem (")


def test_other_network_than_the_nodes_is_unhealthy(indexed: Engine, client: RpcClient) -> None:
    _run(indexed, "UPDATE network SET passphrase = 'Test SDF Network ; September 2015'")
    status = read_status(indexed, client)
    assert _kinds(status) == [("network", None)]
    assert status.database
    assert status.database.streams[0].lag_ledgers is None


def test_other_schema_than_the_programs_is_unhealthy(indexed: Engine, client: RpcClient) -> None:
    _run(indexed, "ALTER TABLE coverage DROP COLUMN advanced_at")
    _run(indexed, "UPDATE alembic_version SET version_num = '0003'")
    status = read_status(indexed, client)
    assert _kinds(status) == [("schema", None)]
    assert status.database
    assert status.database.streams[0].advanced_at is None


def test_locked_or_missing_table_costs_its_part_only(
    indexed: Engine, client: RpcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sorobanflow.status.database.STATEMENT_TIMEOUT_MS", 100)
    _run(indexed, "DROP TABLE gaps")
    with indexed.begin() as connection:
        connection.execute(text("LOCK TABLE quarantine IN ACCESS EXCLUSIVE MODE"))
        status = read_status(indexed, client)
    late = "canceling statement due to statement timeout"
    assert [one.text for one in status.problems] == [
        f"rows per table: {late}",
        'coverage and gaps: relation "gaps" does not exist',
        f"the table quarantine: {late}",
    ]
    assert status.database
    assert status.database.seconds_per_ledger == 5.0


def test_long_coverage_is_shown_bounded(indexed: Engine, client: RpcClient, chain: Chain) -> None:
    chain.close(12_000)
    _run(
        indexed,
        "UPDATE coverage SET indexed_from = 6001, ledgers = (SELECT range_agg(int4range(4 * n, "
        "4 * n + 3)) FROM generate_series(1500, 3000) n)",
    )
    status = read_status(indexed, client)
    assert status.database
    (stream,) = status.database.streams
    assert (stream.covered.count, len(stream.covered.shown)) == (1501, 10)
    assert stream.covered.shown[-1] == (12_000, 12_002)
    shown = to_text(status).splitlines()
    assert "4,503 ledgers in 1,501 ranges (6000-6002, " in " ".join(shown)
    assert len(shown) < 30


def test_no_statement_scans_a_big_table(indexed: Engine, client: RpcClient) -> None:
    _run(
        indexed,
        "INSERT INTO ledgers SELECT n, now(), 0, 0 FROM generate_series(100, 50000) n",
    )
    _run(indexed, "ANALYZE")
    statements: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, sql: str, parameters: Any, *_: object) -> None:
        if sql.lstrip().upper().startswith(("SELECT", "WITH")):
            statements.append((sql, parameters))

    event.listen(indexed, "before_cursor_execute", note)
    assert read_status(indexed, client).database
    event.remove(indexed, "before_cursor_execute", note)
    assert len(statements) > 8
    assert [sql for sql, values in statements if _scanned(indexed, sql, values) & {*BIG}] == []
    assert _scanned(indexed, "SELECT max(closed_at) FROM ledgers", {}) == {"ledgers"}


def _scanned(engine: Engine, sql: str, parameters: Any) -> set[str]:
    def tables(node: dict[str, Any]) -> Iterator[str]:
        if node["Node Type"] == "Seq Scan":
            yield node["Relation Name"]
        for inner in node.get("Plans", []):
            yield from tables(inner)

    with engine.begin() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        (plan,) = explained.scalar_one()
    return set(tables(plan["Plan"]))


Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
        known["UI_PORT"] = "1"  # no Prefect server
        (tmp_path / ".sorobanflow").mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "sorobanflow", "status", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=known | environment,
            timeout=60,
        )

    return run


def test_program_of_a_healthy_stream_exits_with_0(
    indexed: Engine, client: RpcClient, database_url: str, program: Program
) -> None:
    done = program("--rpc-url", client.endpoint, "--json", SOROBANFLOW_DATABASE_URL=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["healthy"] is True
    assert told["database"]["streams"][0]["covered"]["shown"] == [[3, 12]]
    for given, hint in (("al", r"did you mean all\?"), ("nosuch", "there are: all")):
        with pytest.raises(ConfigurationError, match=f"no stream '{given}'; {hint}"):
            show({}, client.endpoint, database_url, Limits(streams=(given,)))


def test_program_with_everything_away_exits_with_1_and_shows_no_secret(program: Program) -> None:
    done = program(
        SOROBANFLOW_RPC_URL="http://user:plantedinfo1@127.0.0.1:1/plantedpath?key=plantedquery",
        SOROBANFLOW_RPC_HEADERS='{"x-key": "plantedheader"}',
        SOROBANFLOW_DATABASE_URL="postgresql://me:plantedpassword@127.0.0.1:1/stellar",
        PREFECT_API_URL="http://me:plantedapi@127.0.0.1:1/api",
        PREFECT_API_KEY="plantedapikey\n",
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "planted" not in done.stdout
    assert done.stdout.startswith("UNHEALTHY: 3 problems (")


def test_program_refuses_bad_arguments_with_2(program: Program) -> None:
    done = program("--rpc-url", "ftp://plantedkey.example.org")
    assert done.returncode == 2
    assert "URL is not an http" in done.stderr
    assert "planted" not in done.stderr


def test_program_makes_no_embedded_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("deployments.status.DEFAULT_RPC_URL", "http://127.0.0.1:1")
    assert show({}) == 1
    said = capsys.readouterr()
    assert "there is no database yet" in " ".join(said.out.split())
    assert said.err.startswith("note: neither --rpc-url nor SOROBANFLOW_RPC_URL is given, ")
    assert list(tmp_path.iterdir()) == []


def test_program_has_the_defaults_of_the_blocks() -> None:
    assert (DEFAULT_RPC_URL, EMBEDDED_FOLDER) == (DEVNET_URL, database_block.EMBEDDED_FOLDER)
