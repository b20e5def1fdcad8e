"""A run that left something out, lagged behind or stalled is not a success in Prefect."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from prefect import get_client
from prefect.client.schemas.objects import State, StateType
from sqlalchemy import Engine, text

from flows.harness import stall
from flows.harness.outcome import IncompleteError
from flows.harness.terminal import run_flow
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, ListedLedgers, parse_faults
from sorobanflow.errors import StalledError
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store.coverage import read_coverage
from tasks.upsert_batch import upsert_batch
from tests.flows.artifacts import artifacts_of, run_id_of
from tests.flows.tomorrow import of_tomorrow
from tests.ledgers import generated

Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, str]]


def _state(**parameters: Any) -> State[Any]:
    state = index(**parameters, return_state=True)
    assert isinstance(state, State)
    return state


def _in_prefect(state: State[Any]) -> tuple[StateType, str, str]:
    """What the server keeps of a run: type, name, and the text of its artifact."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id_of(state))
    artifact = artifacts_of(state)["index"]
    assert run.state is not None
    assert run.run_count == 1
    return run.state.type, run.state.name, f"{artifact.description}\n{artifact.data}"


def test_run_that_left_a_gap_has_failed_and_keeps_its_summary_and_artifact(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    blocks = save_blocks(serve(Chain(generated(first=100), closed=3)).url)
    state = _state(**blocks, start_ledger=50, allow_gap=True)
    kind, name, artifact = _in_prefect(state)
    assert (kind, name) == (StateType.FAILED, "Incomplete")
    assert "indexed 3 ledgers (100-102)" in artifact
    assert "| gaps recorded | 50-99 |" in artifact
    assert state.message is not None
    assert state.message.endswith("ledgers 50-99 recorded as a gap")
    with pytest.raises(IncompleteError, match="ledgers 50-99 recorded as a gap") as caught:
        state.result()
    assert caught.value.summary.gaps == [(50, 99)]
    # A gap that is known makes no later run fail.
    assert _in_prefect(_state(**blocks))[:2] == (StateType.COMPLETED, "Completed")


def test_flow_with_retries_does_not_run_again_over_a_gap(
    serve: Serve, save_blocks: SaveBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_FLOWS_DEFAULT_RETRIES", "2")
    blocks = save_blocks(serve(Chain(generated(first=100), closed=3)).url)
    assert _in_prefect(_state(**blocks, start_ledger=50, allow_gap=True))[1] == "Incomplete"


def test_item_in_quarantine_fails_the_run_that_put_it_there_and_no_other(
    serve: Serve, save_blocks: SaveBlocks
) -> None:
    source = generated()
    ledgers = [source.ledger(number) for number in range(1, 13)]
    ledgers[4] = of_tomorrow(ledgers[4], 1)
    blocks = save_blocks(serve(Chain(ListedLedgers(ledgers, 1, 12, source.network))).url)
    state = _state(**blocks, start_ledger="oldest")
    assert (state.type, state.name) == (StateType.FAILED, "Incomplete")
    assert state.message is not None
    assert "items in quarantine: 1" in state.message
    assert _state(**blocks).is_completed()


def test_exit_code_says_that_a_run_left_something_out(
    serve: Serve, save_blocks: SaveBlocks, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = save_blocks(serve(Chain(generated(first=100), closed=3)).url)
    arguments = [f"{name}={value}" for name, value in blocks.items()]
    assert run_flow(index, ["start_ledger=50", "allow_gap=true", *arguments]) == 1
    shown = capsys.readouterr()
    assert "ledgers covered" in shown.out
    assert "incomplete: indexed 3 ledgers" in shown.err
    assert run_flow(index, arguments) == 0


def test_run_that_lags_too_far_behind_is_incomplete(serve: Serve, save_blocks: SaveBlocks) -> None:
    # Fifty ledgers close a second: some do between the last batch and the end of the run.
    chain = Chain(generated(transactions_per_ledger=0), closed=9, close_every_s=0.02)
    server = serve(chain, latency_s=0.05)
    blocks = save_blocks(server.url)
    state = _state(**blocks, start_ledger="oldest", max_lag_ledgers=0)
    assert (state.type, state.name) == (StateType.FAILED, "Incomplete")
    assert state.message is not None
    assert "ledgers behind the node: " in state.message
    for max_lag in (100_000, None):
        assert _state(**blocks, max_lag_ledgers=max_lag).is_completed()


def test_tip_that_does_not_move_while_it_is_followed_fails_the_run(
    serve: Serve, save_blocks: SaveBlocks
) -> None:
    blocks = save_blocks(serve(Chain(generated(), closed=7)).url)
    began = time.monotonic()
    state = _state(**blocks, start_ledger="oldest", follow_s=60, stall_s=5)
    assert 5 < time.monotonic() - began < 40
    assert (state.type, state.name) == (StateType.FAILED, "Failed")
    with pytest.raises(
        StalledError, match=r"nothing was committed for 5 s; waited for a ledger after 7, the node"
    ):
        state.result()
    assert "indexed 7 ledgers" in _in_prefect(state)[2]
    assert _state(**blocks, follow_s=6, stall_s=None).is_completed()


def test_chain_that_is_followed_longer_than_the_limit_does_not_stall(
    serve: Serve, save_blocks: SaveBlocks
) -> None:
    blocks = save_blocks(serve(Chain(generated(), closed=3, close_every_s=1)).url)
    assert _state(**blocks, start_ledger="oldest", follow_s=10, stall_s=5).is_completed()


def test_node_that_withholds_its_answers_fails_the_run(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    # Its health says that it has the ledgers, and each call for them is put off.
    faults = parse_faults("getEvents:*=429/60")
    blocks = save_blocks(serve(Chain(generated(), closed=7), faults=faults).url)
    with pytest.raises(StalledError, match="waited for ledgers 1-7, which the node has"):
        index(**blocks, start_ledger="oldest", stall_s=5)
    assert read_coverage(engine, "all").covered == ()


def test_table_that_another_session_has_locked_fails_the_run(
    serve: Serve,
    save_blocks: SaveBlocks,
    engine: Engine,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upsert_batch, "retries", 1)  # each is cancelled again
    blocks = save_blocks(serve(Chain(generated(), closed=7)).url)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE transactions IN EXCLUSIVE MODE")
        with pytest.raises(StalledError, match="waited for ledgers 1-7, which the node has"):
            index(**blocks, start_ledger="oldest", stall_s=5)
    summary: Any = index(**blocks)
    assert isinstance(summary, RunSummary)
    assert summary.written == [(1, 7)]


def _age_newest_ledger(engine: Engine, age: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE coverage SET advanced_at = now() - CAST(:age AS interval)"),
            {"age": age},
        )


def test_short_run_fails_when_the_chain_stands_still(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall, "LAST_LOOK_S", 1.0)
    blocks = save_blocks(serve(Chain(generated(), closed=7)).url)
    index(**blocks, start_ledger="oldest")
    _age_newest_ledger(engine, "240 s")
    assert _state(**blocks).is_completed()
    _age_newest_ledger(engine, "1 h")
    state = _state(**blocks)
    assert _in_prefect(state)[:2] == (StateType.FAILED, "Failed")
    with pytest.raises(
        StalledError,
        match=r"nothing was committed for 3[67]\d\d s; waited for a ledger after 7, the node's "
        r"newest, closed 20\d\d-\d\d-\d\d \d\d:\d\d:35 UTC; "
        r"no new ledger was stored since 20.* UTC\. ",
    ):
        state.result()
    assert _state(**blocks, stall_s=None).is_completed()
    assert _state(**blocks, stall_s=7200).is_completed()


def test_chain_that_was_paused_and_continues_does_not_fail_the_run(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    chain = Chain(generated(), closed=7, close_every_s=3)
    index(**save_blocks(serve(Chain(generated(), closed=7)).url), start_ledger="oldest")
    _age_newest_ledger(engine, "1 day")
    state = _state(**save_blocks(serve(chain).url))
    summary = state.result()
    assert summary.written
    assert summary.coverage.count == summary.written[-1].last
