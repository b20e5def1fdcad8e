"""A backfill on two workers, one of which is killed together with its run."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL
from sqlalchemy import Engine, text

from blocks import StellarRpc
from deployments.services import PREFECT_SETTINGS
from flows.backfill import backfill
from flows.harness.fan_out import DEPLOYMENT
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import ConfigurationError
from sorobanflow.pipeline.backfill_summary import FanOutSummary
from sorobanflow.store.coverage import read_coverage
from tests.flows.load_balancer import balanced
from tests.ledgers import generated
from tests.table_names import fullnames

#: One process runs them: they share the pool and the deployment.
pytestmark = pytest.mark.xdist_group("scale_out")

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
ROOT = Path(__file__).parents[2]
POOL = "local"
LEDGERS = 120
DEVNET = ("--seed", "61", "--ledgers", str(LEDGERS), "--latency-ms", "150")
#: Seconds without a commit after which the killed run counts as dead.
STALL_S = 20


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        **PREFECT_SETTINGS,
        "PREFECT_API_URL": PREFECT_API_URL.value() or "",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PWD": str(ROOT),
    }


@pytest.fixture
def deployed() -> None:
    """The pool, and the deployment of prefect.yaml in it; made once, it takes five seconds."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        with suppress(ObjectNotFound):
            client.read_deployment_by_name(DEPLOYMENT)
            return
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--name", "backfill-range"]
    subprocess.run(command, cwd=ROOT, env=_environment(), check=True, capture_output=True)


@contextmanager
def _worker(log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--limit", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> int:
    """Kill the worker and the flow runs that it started, as a machine that loses power does.

    Gives the number of those runs.
    """
    children = _children(process.pid)
    process.kill()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    return len(children)


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            match = re.search(r"^PPid:\t(\d+)$", status.read_text(), re.MULTILINE)
        except OSError:  # it has just ended
            continue
        if match and int(match[1]) == parent:
            pid = int(status.parent.name)
            found += [pid, *_children(pid)]
    return found


@contextmanager
def _devnet() -> Iterator[str]:
    command = [sys.executable, "-m", "sorobanflow.devnet", *DEVNET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()


def _wait(engine: Engine, count: int, log: Path) -> None:
    deadline = time.monotonic() + 90
    while read_coverage(engine, "all").count < count:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _set_batch_size(name: str, batch_size: int) -> None:
    block: Any = StellarRpc.load(name)
    block.batch_size = batch_size
    block.save(name, overwrite=True)


def _slots_taken() -> int:
    with get_client(sync_client=True) as client:
        limit = client.read_deployment_by_name(DEPLOYMENT).global_concurrency_limit
    assert limit is not None
    return limit.active_slots


def test_fan_out_without_the_deployment_names_the_command_that_makes_it(
    save_blocks: Callable[[str], dict[str, str]],
) -> None:
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        client.delete_deployment(client.read_deployment_by_name(DEPLOYMENT).id)
    with (
        DevnetServer(Chain(generated(), closed=3)) as server,
        pytest.raises(ConfigurationError, match=r"no deployment backfill.* `sorobanflow deploy`"),
    ):
        backfill(1, 3, **save_blocks(server.url), fan_out="deployments")


@pytest.mark.long  # two workers that start a process for each run: 40 s of CPU
@pytest.mark.timeout(900)
def test_two_workers_of_which_one_is_killed_cover_everything(
    deployed: None,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    checksums: Checksums,
    tmp_path: Path,
) -> None:
    killed: list[int] = []
    with ExitStack() as stack:
        blocks: Any = save_blocks(stack.enter_context(_devnet()))
        _set_batch_size(blocks["rpc"], 60)  # two ledgers: a chunk takes twenty commits
        logs = [tmp_path / "first.log", tmp_path / "second.log"]
        first, _second = [stack.enter_context(_worker(log)) for log in logs]

        def kill_first() -> None:
            _wait(engine, 20, logs[0])
            while not _children(first.pid):
                time.sleep(0.01)
            killed.append(_kill(first))

        killer = threading.Thread(target=kill_first)
        killer.start()
        summary: Any = backfill(
            1, LEDGERS, **blocks, chunk_ledgers=40, fan_out="deployments", stall_s=STALL_S
        )
        killer.join()
        assert killed[0] >= 1
        assert isinstance(summary, FanOutSummary)
        assert summary.written == [(1, LEDGERS)]
        assert summary.started >= 4
        assert read_coverage(engine, "all").covered == ((1, LEDGERS),)
        assert _slots_taken() == 0  # that of the dead run is free again
        fanned_out = checksums(engine)
        with engine.begin() as connection:
            names = fullnames(name for name in fanned_out if name != "network")
            connection.execute(text(f"TRUNCATE {names}"))
        _set_batch_size(blocks["rpc"], 1000)
        backfill(1, LEDGERS, **blocks)
    assert checksums(engine) == fanned_out


def test_chunk_that_left_a_gap_is_red_in_prefect_and_makes_the_backfill_incomplete(
    deployed: None,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        long, short = (
            stack.enter_context(DevnetServer(Chain(generated(), closed=30, **options)))
            for options in ({}, {"retention": 11})
        )
        url = stack.enter_context(balanced({"getHealth": long.url}, short.url))
        blocks: Any = save_blocks(url)
        stack.enter_context(_worker(tmp_path / "worker.log"))
        state = backfill(1, 30, **blocks, fan_out="deployments", return_state=True)
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((20, 30),), ((1, 19),))
    assert (state.type, state.name) == (StateType.FAILED, "Incomplete")
    assert state.message is not None
    assert "runs that ended as Incomplete: 1" in state.message
    with get_client(sync_client=True) as client:
        of_chunk = FlowRunFilter(name=FlowRunFilterName(any_=["backfill-range 1-30"]))
        runs = client.read_flow_runs(flow_run_filter=of_chunk)
    # The worker does not take the process's exit code for a crash.
    assert [(run.state_type, run.state_name) for run in runs] == [(StateType.FAILED, "Incomplete")]
