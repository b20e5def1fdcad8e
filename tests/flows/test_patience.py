"""Flows while the node, the database or Prefect's API is away: they wait, and then say why."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import Any

import psycopg
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine

from deployments.status import show
from flows.backfill import backfill
from flows.harness.terminal import run_flow
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, parse_faults
from sorobanflow.errors import ConfigurationError, StalledError
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store.coverage import read_coverage
from tasks.fetch_events import fetch_events
from tests.flows.conftest import AUTH_STRING
from tests.flows.flow_server import FlowServer
from tests.ledgers import generated

Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, str]]
NOWHERE = "http://127.0.0.1:1"
#: Each answers getHealth with an error: its newest ledger is old.
BEHIND = "getHealth:*=-32603"


def test_lock_ends_each_flow_with_one_line(
    serve: Serve,
    save_blocks: SaveBlocks,
    engine: Engine,
    database_url: str,
    flow_server: FlowServer,
    tmp_path: Path,
) -> None:
    blocks = save_blocks(serve(Chain(generated(), closed=7)).url)
    index(**blocks, start_ledger="oldest")
    wanted: dict[str, dict[str, Any]] = {
        "index": blocks,
        "audit": {"repair": True, **blocks},
        "backfill": {"start_ledger": 1, "end_ledger": 7, **blocks},
        "backfill-range": {"start_ledger": 1, "end_ledger": 7, **blocks},
        "export": {"table": "events", "folder": str(tmp_path), "database": blocks["database"]},
    }
    said = len(flow_server.log.read_text())
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE coverage")
        running = [flow_server.start(flow, {"stall_s": 5} | more) for flow, more in wanted.items()]
        assert [one.wait() for one in running] == [1] * 5
    log = flow_server.log.read_text()[said:]
    lines = [line for line in log.splitlines() if line.startswith("error: ")]
    assert len(lines) == 5
    assert {line.partition("waited for ")[0] for line in lines} == {
        "error: nothing was committed for 5 s; "
    }
    assert sum("waited for the database." in line for line in lines) == 4
    assert sum("waited for rows of events." in line for line in lines) == 1


def test_node_that_is_away_fails_the_run_once_and_late(
    save_blocks: SaveBlocks, engine: Engine
) -> None:
    began = time.monotonic()
    with pytest.raises(
        StalledError, match=r"for 5 s; waited for the node to name its network \(last .*ConnectErr"
    ):
        index(**save_blocks(NOWHERE), stall_s=5)
    assert time.monotonic() - began >= 5


def test_typo_in_the_name_of_the_node_is_no_reason_to_wait(save_blocks: SaveBlocks) -> None:
    with pytest.raises(ConfigurationError, match="check the URL of the stellar-rpc block"):
        index(**save_blocks("http://no-such-node.invalid"))


def test_node_that_restarts_is_followed_on(save_blocks: SaveBlocks, engine: Engine) -> None:
    chain = Chain(generated(), closed=3)
    with ExitStack() as stack:
        node = stack.enter_context(DevnetServer(chain))
        port = int(node.url.rpartition(":")[2])

        def start_again() -> None:
            chain.close(2)
            stack.enter_context(DevnetServer(chain, port))

        # Longer than all attempts of one call; meanwhile the run asks for nothing but the health.
        timers = [Timer(2, node.stop), Timer(10, start_again)]
        for timer in timers:
            timer.start()
        summary: Any = index(**save_blocks(node.url), start_ledger="oldest", follow_s=4)
        timers[1].join()
    assert isinstance(summary, RunSummary)
    assert summary.written == [(1, 5)]


def test_node_whose_newest_ledger_is_old_is_indexed(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    server = serve(Chain(generated(first=100), closed=7), faults=parse_faults(BEHIND))
    blocks = save_blocks(server.url)
    index(**blocks, start_ledger="oldest")
    assert read_coverage(engine, "all").covered == ((100, 106),)
    backfill(100, 106, **blocks, force=True)


def test_empty_node_is_waited_for(serve: Serve, save_blocks: SaveBlocks) -> None:
    faults = parse_faults("getHealth:*=-32603,getTransactions:*=-32603")
    with pytest.raises(StalledError, match=r"say which ledgers it has \(last failure: getHealth"):
        index(**save_blocks(serve(Chain(generated(), closed=3), faults=faults).url), stall_s=5)


def test_chunk_whose_failure_may_pass_is_indexed_after_the_others(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_events, "retries", 0)
    faults = parse_faults("getEvents:1-10=-32003")
    server = serve(Chain(generated(), closed=40), faults=faults)
    backfill(1, 40, **save_blocks(server.url), chunk_ledgers=10)
    assert read_coverage(engine, "all").covered == ((1, 40),)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (PREFECT_API_URL, None, "PREFECT_API_URL is not set: set it"),
        (PREFECT_API_URL, f"{NOWHERE}/api", f"at {NOWHERE} is not available (ConnectError); start"),
        (PREFECT_API_AUTH_STRING, None, "(HTTP 401); set PREFECT_API_AUTH_STRING"),
    ],
    ids=["not set", "away", "no password"],
)
def test_run_without_prefects_server_ends_with_a_line_that_says_what_to_do(
    setting: Any, value: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {setting: value} if value else {}
    with temporary_settings(changed, restore_defaults=set() if value else {setting}):
        assert run_flow(index, []) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert "planted" not in said


def test_status_reads_the_runs_of_a_server_with_a_password(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"SOROBANFLOW_RPC_URL": NOWHERE, "SOROBANFLOW_DATABASE_URL": database_url}
    known["PREFECT_API_URL"] = PREFECT_API_URL.value() or ""
    show(known | {"PREFECT_API_AUTH_STRING": AUTH_STRING})
    assert "cannot be read from Prefect" not in capsys.readouterr().out
    show(known)
    said = " ".join(capsys.readouterr().out.split())
    assert "HTTP 401: set PREFECT_API_AUTH_STRING" in said
