"""A run that is killed, or told to stop, loses nothing but the batches in its hands."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelling
from pydantic import SecretStr
from sqlalchemy import Engine, text

from blocks import DataLake
from sorobanflow.devnet import (
    Chain,
    ChainLake,
    DevnetServer,
    LakeServer,
    Recording,
    parse_faults,
)
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.tables import metadata
from tests.flows.flow_server import ROOT, FlowProcess, FlowServer
from tests.integration.database_server import wait_until_blocked
from tests.ledgers import generated

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Blocks = Callable[[str], dict[str, str]]
RecordingPath = Callable[[str], Path]
#: What ends the runs of a round; whoever comes through all the same ends the round.
ROUND = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL)
#: Seconds in which a run that is told to stop has to be gone.
LEAVE_S = 10


def _chain(flow: str, recording_path: RecordingPath) -> tuple[Chain, dict[str, Any]]:
    """A chain, and the parameters that index all of it in many batches."""
    if flow == "index":
        return Chain(generated(), closed=40), {"start_ledger": 1, "batch_size": 120}
    chain = Chain(Recording(recording_path("pubnet-30822015")))
    first, last = chain.window()
    quarter = -(-(last - first + 1) // 4)
    return chain, {"start_ledger": first, "end_ledger": last, "chunk_ledgers": quarter}


@contextmanager
def _served(
    kind: str, recording_path: RecordingPath, save_blocks: Blocks
) -> Iterator[tuple[Chain, str, dict[str, Any]]]:
    """Serve a chain from a slow source; gives it, the flow and its parameters."""
    if kind == "lake":
        chain = Chain(generated(), closed=40)
        with LakeServer(ChainLake(chain), latency_s=0.03) as lake:
            blocks = save_blocks("http://127.0.0.1:9")
            DataLake(url=SecretStr(lake.url), batch_size=120).save(blocks["rpc"])
            ends = {"start_ledger": 1, "end_ledger": 40, "chunk_ledgers": 20}
            yield chain, "backfill", ends | blocks | {"source": blocks["rpc"]}
        return
    chain, named = _chain(kind, recording_path)
    with DevnetServer(chain, latency_s=0.03) as server:
        yield chain, kind, named | save_blocks(server.url)


def _forget(engine: Engine, kind: str) -> None:
    """Leave a database without rows; that of `index` without tables, so runs end while making them.

    Making them takes a second of CPU, longer than most of the rest of a run.
    """
    with engine.begin() as connection:
        if kind == "index":
            connection.execute(text("DROP SCHEMA IF EXISTS public, stored CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        else:
            names = ", ".join(table.fullname for table in metadata.sorted_tables)
            connection.execute(text(f"TRUNCATE {names}"))


def _signal_after(process: FlowProcess, wait_s: float, number: signal.Signals) -> tuple[int, float]:
    """Signal a run after a while; gives its exit code and how long it took to be gone."""
    time.sleep(wait_s)
    with suppress(ProcessLookupError):
        process.signal(number)
    began = time.monotonic()
    return process.wait(), time.monotonic() - began


@pytest.mark.parametrize(
    ("kind", "kills"),
    [  # each run waits in proportion to a whole one, which a slow machine makes long
        *(
            pytest.param(kind, kills, marks=pytest.mark.timeout(900))
            for kind, kills in (("index", 4), ("backfill", 4), ("lake", 2))
        ),
        *(
            pytest.param(kind, 100, marks=[pytest.mark.long, pytest.mark.timeout(0)])
            for kind in ("index", "backfill", "lake")
        ),
    ],
)
def test_run_ended_at_random_instants_is_finished_by_the_next_one(
    kind: str,
    kills: int,
    flow_server: FlowServer,
    save_blocks: Blocks,
    recording_path: RecordingPath,
    engine: Engine,
    checksums: Checksums,
) -> None:
    with _served(kind, recording_path, save_blocks) as (chain, flow, parameters):
        for _ in range(2):  # the second is not slowed down by a devnet that makes its ledgers
            _forget(engine, kind)
            began = time.monotonic()
            flow_server.run(flow, parameters)
            whole_s = time.monotonic() - began
        expected = checksums(engine)
        assert read_coverage(engine, "all").covered == (chain.window(),)
        ends: list[tuple[float, int]] = []
        while sum(code == -signal.SIGKILL for _, code in ends) < kills:
            _forget(engine, kind)
            for number in ROUND:
                # What comes after the last commit is not worth as many kills.
                wait_s = random.uniform(0, 0.7 * whole_s)
                process = flow_server.start(flow, parameters)
                code, leaving_s = _signal_after(process, wait_s, number)
                ends.append((wait_s, code))
                assert leaving_s < LEAVE_S, ends
                if code == 0:
                    break
            flow_server.run(flow, parameters)
            assert checksums(engine) == expected, ends


@pytest.mark.parametrize("flow", ["index", "backfill"])
def test_run_told_to_stop_does_not_wait_for_a_node_that_does_not_answer(
    flow: str,
    flow_server: FlowServer,
    save_blocks: Blocks,
    engine: Engine,
    recording_path: RecordingPath,
) -> None:
    chain, named = _chain(flow, recording_path)
    with DevnetServer(chain, faults=parse_faults("getTransactions:*=slow/60")) as server:
        process = flow_server.start(flow, named | save_blocks(server.url))
        while not server.calls.get("getTransactions"):
            assert not process.ended
            time.sleep(0.05)
        code, leaving_s = _signal_after(process, 0, signal.SIGTERM)
    assert code != 0
    assert leaving_s < LEAVE_S


@pytest.mark.parametrize("flow", ["index", "backfill"])
def test_run_told_to_stop_rolls_back_what_the_database_does_not_finish(
    flow: str,
    flow_server: FlowServer,
    save_blocks: Blocks,
    engine: Engine,
    database_url: str,
    recording_path: RecordingPath,
) -> None:
    chain, named = _chain(flow, recording_path)
    with (
        DevnetServer(chain) as server,
        psycopg.connect(database_url) as holder,
    ):
        holder.execute("LOCK TABLE events")
        process = flow_server.start(flow, named | save_blocks(server.url))
        wait_until_blocked(database_url)
        said = flow_server.log.stat().st_size
        code, leaving_s = _signal_after(process, 0, signal.SIGTERM)
        assert code != 0
        assert leaving_s < LEAVE_S
        assert b"stopped before anything was indexed" in flow_server.log.read_bytes()[said:]
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM ledgers")).scalar_one() == 0


def test_run_cancelled_in_prefect_leaves_in_time(
    save_blocks: Blocks, engine: Engine, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        DevnetServer(Chain(generated(), closed=2_000), latency_s=0.1) as server,
        get_client(sync_client=True) as client,
    ):
        run_id = _deployed_run(client, {"start_ledger": 1, **save_blocks(server.url)})
        with _executed(run_id, log) as supervisor:
            while not read_coverage(engine, "all").count:
                assert supervisor.poll() is None, log.read_text()
                time.sleep(0.05)
            client.set_flow_run_state(run_id, Cancelling())
            began = time.monotonic()
            while "was terminated" not in log.read_text():
                assert time.monotonic() - began < LEAVE_S, log.read_text()
                time.sleep(0.05)
            supervisor.wait(
                timeout=120
            )  # it takes up to ten seconds of its own, more on a busy machine
        state = client.read_flow_run(run_id).state
    assert state is not None
    assert state.is_cancelled(), log.read_text()
    assert "stopped early: indexed" in log.read_text()
    covered = read_coverage(engine, "all").count
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledgers")).scalar_one() == covered


def _deployed_run(client: SyncPrefectClient, parameters: dict[str, Any]) -> UUID:
    flow_id = client.create_flow_from_name("index")
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    deployment_id = client.create_deployment(
        flow_id, "to-cancel", entrypoint="flows.index.index", pull_steps=[step]
    )
    return client.create_flow_run_from_deployment(deployment_id, parameters=parameters).id


@contextmanager
def _executed(run_id: UUID, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Carry a run out as a worker does, with a supervisor that hears of its cancellation."""
    command = [sys.executable, "-m", "prefect", "flow-run", "execute", str(run_id)]
    environment = os.environ | {
        "PREFECT_API_URL": PREFECT_API_URL.value() or "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
