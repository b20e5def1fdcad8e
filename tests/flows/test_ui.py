"""What a person sees of a run in Prefect: its name, its tags, its artifacts, its log."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.context import TagsContext
from sqlalchemy import Engine

from flows.audit import audit
from flows.backfill import backfill
from flows.backfill_range import backfill_range
from flows.export import export
from flows.harness import progress
from flows.harness.progress import Spacing
from flows.harness.terminal import run_flow
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import ConfigurationError
from tasks import report
from tasks.policy import LOG_LEVEL
from tests.flows.artifacts import artifacts_of, run_id_of
from tests.ledgers import generated

Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, str]]


def _run_of(state: Any) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id_of(state))


def _name(state: Any) -> str:
    return _run_of(state).name


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that runs are given, those while they work too."""
    names: list[str] = []
    update = SyncPrefectClient.update_flow_run

    def note(client: SyncPrefectClient, *run: Any, name: str | None = None, **others: Any) -> Any:
        names.extend([name] if name else [])
        return update(client, *run, name=name, **others)

    monkeypatch.setattr(SyncPrefectClient, "update_flow_run", note)
    return names


def test_name_of_a_run_says_what_it_does_and_did(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine, tmp_path: Path, given: list[str]
) -> None:
    chain = Chain(generated(first=100), closed=12)
    blocks = save_blocks(serve(chain).url)
    assert _name(backfill(103, 105, **blocks, dry_run=True, return_state=True)) == (
        "backfill-plan 103-105"
    )
    assert _name(backfill(103, 105, **blocks, return_state=True)) == "backfill 103-105"
    assert _name(backfill_range(103, 104, **blocks, return_state=True)) == "backfill-range 103-104"
    whole = index(start_ledger=100, **blocks, return_state=True)
    assert _name(whole) == "index 100-111 (9 ledgers)"
    assert _name(index(**blocks, return_state=True)) == "index nothing after 111"
    chain.close(2)
    assert _name(index(**blocks, return_state=True)) == "index 112-113"
    assert _name(audit(100, 110, **blocks, return_state=True)) == "audit 100-110"
    to = {"folder": str(tmp_path), "database": blocks["database"]}
    assert _name(export("events", **to, return_state=True)) == "export events 100-113"
    working = [name for name in given if " from " in name]
    assert working == ["index from 100", "index from 112", "index from 112"]
    assert given.count("audit 100-110") == 2


def test_run_that_came_to_nothing_is_named_after_its_flow(save_blocks: SaveBlocks) -> None:
    blocks = save_blocks("http://127.0.0.1:9")
    state = index(**blocks, fetch_plan="hashes", return_state=True)
    assert _name(state) == "index"


def test_tags_are_network_database_and_a_filtered_stream_beside_those_that_were_there(
    serve: Serve, save_blocks: SaveBlocks
) -> None:
    blocks = save_blocks(serve(Chain(generated(), closed=3)).url)
    with TagsContext(current_tags={"mine"}):
        everything = index(start_ledger="oldest", **blocks, return_state=True)
        filtered = index(start_ledger=1, topics=[["*", "**"]], **blocks, return_state=True)
    tags = set(_run_of(everything).tags)
    (database,) = tags - {"mine", "devnet"}
    assert database.startswith("database-")
    (stream,) = set(_run_of(filtered).tags) - tags
    assert stream.startswith("filter-")


def test_prefect_that_refuses_a_name_fails_no_run(
    serve: Serve, save_blocks: SaveBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(SyncPrefectClient, "update_flow_run", refuse)
    blocks = save_blocks(serve(Chain(generated(), closed=3)).url)
    state: Any = index(start_ledger="oldest", **blocks, return_state=True)
    assert state.is_completed()
    assert _name(state) == "index"


def test_summary_says_at_a_glance_how_the_run_went(serve: Serve, save_blocks: SaveBlocks) -> None:
    blocks = save_blocks(serve(Chain(generated(first=100), closed=4)).url)
    state = index(start_ledger=90, allow_gap=True, **blocks, return_state=True)
    artifact = artifacts_of(state)["index"]
    assert artifact.description.startswith("indexed 4 ledgers (100-103): 40 transactions and ")
    tables = [part.splitlines() for part in artifact.data.strip().split("\n\n")]
    assert [lines[0].strip("| ") for lines in tables] == ["this run", "rows", "connections"]
    first = dict(line.strip("| ").split(" | ") for line in tables[0][2:])
    assert first["health"] == "incomplete: ledgers 90-99 recorded as a gap"
    assert first["ledgers"] == "4 (100-103)"
    assert first["gaps recorded"] == "90-99"
    assert first["items in quarantine"] == "0"
    assert first["fetched"].endswith(" calls, 0 retries, 0 breaker trips")
    assert first["ledgers covered"] == "4 (100-103)"
    assert first["per second"].endswith(" events")
    assert first["concurrent calls"].startswith("up to ")
    assert "| transactions | 40 |" in tables[1]
    assert "| waits for a connection | 0 |" in tables[2]
    assert len(tables[2]) == 2 + 9


def test_long_run_leaves_a_progress_artifact(
    serve: Serve, save_blocks: SaveBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LONG_S", 0.0)
    monkeypatch.setattr(progress, "SHOW_S", 0.0)
    blocks = save_blocks(serve(Chain(generated(), closed=60)).url)
    state = index(start_ledger=1, batch_size=30, **blocks, return_state=True)
    artifact = artifacts_of(state)["index-progress"]
    assert (artifact.type, artifact.data) == ("progress", 100)
    assert artifact.description.startswith("60 of 60 ledgers, ")


def test_prefect_that_takes_no_artifacts_fails_no_run_and_hides_no_error(
    serve: Serve,
    save_blocks: SaveBlocks,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no artifacts today")

    monkeypatch.setattr(progress, "LONG_S", 0.0)
    monkeypatch.setattr(progress, "SHOW_S", 0.0)
    monkeypatch.setattr(progress, "create_progress_artifact", refuse)
    monkeypatch.setattr(report, "create_markdown_artifact", refuse)
    blocks = save_blocks(serve(Chain(generated(), closed=3)).url)
    state: Any = index(start_ledger="oldest", **blocks, return_state=True)
    assert state.is_completed()
    warnings = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert "the progress could not be shown in Prefect: no artifacts today" in warnings
    assert "the summary could not be shown in Prefect: no artifacts today" in warnings
    failed: Any = index(start_ledger=99, **blocks, return_state=True)
    with pytest.raises(ConfigurationError, match="start_ledger 99 is above"):
        failed.result()


def test_log_of_a_day_is_not_thousands_of_lines() -> None:
    seconds = iter(range(24 * 60 * 60))
    spacing = Spacing(lambda: float(next(seconds)))
    said = [second for second in range(1, 24 * 60 * 60) if spacing.due()]
    assert said[:5] == [5, 15, 35, 75, 155]
    assert len(said) < 300


def test_terminal_shows_a_dozen_lines(
    serve: Serve, save_blocks: SaveBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LOG_LEVEL, raising=False)
    logger = logging.getLogger("prefect.task_runs")
    before, lines = logger.level, _Lines()
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(name).addHandler(lines)
    try:
        logger.setLevel(logging.INFO)
        blocks = save_blocks(serve(Chain(generated(), closed=40)).url)
        parameters = [f"{name}={value}" for name, value in blocks.items()]
        assert run_flow(index, ["start_ledger=oldest", "batch_size=50", *parameters]) == 0
    finally:
        logger.setLevel(before)
        for name in ("prefect.task_runs", "prefect.flow_runs"):
            logging.getLogger(name).removeHandler(lines)
    assert lines.lines[-1].startswith("Finished in state Completed('indexed 40 ledgers (1-40): ")
    assert 4 < len(lines.lines) <= 12


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
