"""A backfill over a Dask cluster: the same database, and what happens when a part of it dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL
from sqlalchemy import Engine, text

from flows.backfill import backfill
from sorobanflow.backfill import FanOutSummary
from sorobanflow.devnet import Chain, DevnetServer, Generator, parse_faults
from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.store.coverage import read_coverage
from tests.flows.load_balancer import balanced

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes; they are started again when they die."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


def _truncate(engine: Engine, tables: dict[str, tuple[int, str]]) -> None:
    names = ", ".join(name for name in tables if name != "network")
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}"))


def _chunk_runs(blocks: dict[str, Any]) -> list[FlowRun]:
    """The runs of chunks that use these blocks."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
    return [
        run
        for run in runs
        if run.parent_task_run_id and run.parameters.get("database") == blocks["database"]
    ]


def _states(blocks: dict[str, Any]) -> Counter[str]:
    return Counter(str(run.state_name) for run in _chunk_runs(blocks))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _processes(blocks: dict[str, Any], state: str | None = None) -> list[int]:
    """Ids of the processes that carry out these runs, or those of them in a state."""
    runs = {str(run.id) for run in _chunk_runs(blocks) if state in (None, run.state_name)}
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = command.read_text().split("\0")
        except OSError:  # it has just ended
            continue
        if "flows.backfill_range" in arguments and runs.intersection(arguments):
            found.append(int(command.parent.name))
    return found


def _wait_for_processes(blocks: dict[str, Any], count: int) -> list[int]:
    deadline = time.monotonic() + 30
    while len(found := _processes(blocks)) != count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def _wait_for_run(blocks: dict[str, Any]) -> int:
    """Wait until a chunk is being worked on; gives its process, which has seconds to go."""
    deadline = time.monotonic() + 60
    while not (found := _processes(blocks, "Running")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found[0]


def _start(blocks: dict[str, Any], **parameters: Any) -> "subprocess.Popen[bytes]":
    named = {"start_ledger": 1, "end_ledger": 20, "chunk_ledgers": 10, "fan_out": "dask"}
    arguments = [f"{name}={value}" for name, value in (named | blocks | parameters).items()]
    environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    command = [sys.executable, "-m", "flows.backfill", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def test_killed_worker_costs_nothing_and_the_database_is_that_of_a_run_here(
    cluster: Any, serve: Serve, save_blocks: SaveBlocks, engine: Engine, checksums: Checksums
) -> None:
    chain = Chain(Generator(seed=71), closed=40)
    blocks = save_blocks(serve(chain, latency_s=0.5).url)
    killed: list[int] = []

    def kill() -> None:
        killed.append(_parent(_wait_for_run(blocks)))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    address = cluster.scheduler_address
    summary: Any = backfill(1, 40, **blocks, chunk_ledgers=10, fan_out="dask", dask_address=address)
    killer.join()
    assert isinstance(summary, FanOutSummary)
    assert (summary.written, summary.started, summary.complete) == ([(1, 40)], 5, True)
    assert _states(blocks) == {"Completed": 4, "Crashed": 1}
    assert killed[0] not in [worker.pid for worker in cluster.workers.values()]
    assert not _processes(blocks)
    fanned_out = checksums(engine)
    _truncate(engine, fanned_out)
    backfill(1, 40, **blocks)
    assert checksums(engine) == fanned_out


def test_cluster_of_its_own_carries_a_backfill_to_its_end(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    blocks = save_blocks(serve(Chain(Generator(seed=77), closed=20)).url)
    state = backfill(1, 20, **blocks, chunk_ledgers=10, fan_out="dask", return_state=True)
    summary: Any = state.result()
    assert (summary.started, summary.complete) == (2, True)
    assert read_coverage(engine, "all").covered == ((1, 20),)
    assert not _processes(blocks)
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=wanted)
    chunks = [task.state_name for task in tasks if task.name.startswith("backfill-range")]
    assert chunks == ["Completed", "Completed"]  # as the UI shows them below the backfill


def test_chunk_that_hangs_is_killed_and_started_again(
    cluster: Any, serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    blocks = save_blocks(serve(Chain(Generator(seed=78), closed=10), latency_s=0.5).url)
    stopped: list[int] = []

    def stop() -> None:
        stopped.append(_wait_for_run(blocks))
        os.kill(stopped[0], signal.SIGSTOP)

    stopper = threading.Thread(target=stop)
    stopper.start()
    address = cluster.scheduler_address
    summary: Any = backfill(1, 10, **blocks, fan_out="dask", dask_address=address, stall_s=5)
    stopper.join()
    assert (summary.written, summary.started) == ([(1, 10)], 2)
    assert _states(blocks) == {"Completed": 1, "Crashed": 1}
    _wait_for_processes(blocks, 0)


@pytest.mark.long
def test_terminated_backfill_ends_soon_and_leaves_no_process_behind(
    serve: Serve, save_blocks: SaveBlocks
) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    chain = Chain(Generator(seed=79), closed=20)
    blocks = save_blocks(serve(chain, faults=parse_faults("getTransactions:*=slow/60")).url)
    process = _start(blocks)
    _wait_for_processes(blocks, 2)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert not _processes(blocks)
    assert _states(blocks) == {"Cancelled": 2}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_killed_backfill_leaves_no_process_behind(
    elsewhere: bool, cluster: Any, serve: Serve, save_blocks: SaveBlocks
) -> None:
    chain = Chain(Generator(seed=80), closed=20)
    blocks = save_blocks(serve(chain, faults=parse_faults("getTransactions:*=slow/60")).url)
    process = _start(blocks, **({"dask_address": cluster.scheduler_address} if elsewhere else {}))
    _wait_for_processes(blocks, 2)
    process.kill()
    process.communicate(timeout=30)
    _wait_for_processes(blocks, 0)


@pytest.mark.long
def test_failed_chunk_is_named_and_the_others_go_on(
    cluster: Any, serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    # Refused for good: the first chunk that asks fails, and is not tried again.
    faulty = serve(Chain(Generator(seed=72), closed=20), faults=parse_faults("getEvents:1=-32602"))
    parameters = {
        **save_blocks(faulty.url),
        "chunk_ledgers": 10,
        "fan_out": "dask",
        "dask_address": cluster.scheduler_address,
    }
    with pytest.raises(RetriableError, match=r"ledgers of 1 chunks .*Failed: .*Rpc"):
        backfill(1, 20, **parameters)
    assert read_coverage(engine, "all").count == 10
    assert _states(parameters) == {"Completed": 1, "Failed": 1}


@pytest.mark.long
def test_ledgers_that_leave_the_node_while_it_runs_make_the_run_incomplete(
    cluster: Any, serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    long, short = (
        serve(Chain(Generator(seed=73), closed=30)),
        serve(Chain(Generator(seed=73), closed=30, retention=11)),
    )
    # Here the node is asked how it is once, before there are chunks: they are lost in the workers.
    with balanced({"getHealth": long.url}, short.url) as url:
        state = backfill(
            1,
            30,
            **save_blocks(url),
            fan_out="dask",
            dask_address=cluster.scheduler_address,
            return_state=True,
        )
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((20, 30),), ((1, 19),))
    assert state.name == "Incomplete"


def test_address_where_no_scheduler_answers_is_refused(
    serve: Serve, save_blocks: SaveBlocks
) -> None:
    # Before `set`, whose end would drop the defaults that distributed adds when it is imported.
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    dask = pytest.importorskip("dask")
    server = serve(Chain(Generator(seed=75), closed=3))
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "300 ms"}),
        pytest.raises(ConfigurationError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9:"),
    ):
        backfill(1, 3, **save_blocks(server.url), fan_out="dask", dask_address="tcp://127.0.0.1:9")


def test_without_prefect_dask_the_extra_is_named_before_anything_starts(
    serve: Serve, save_blocks: SaveBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask", None)  # as if it were not there
    server = serve(Chain(Generator(seed=76), closed=3))
    with pytest.raises(ConfigurationError, match=r"pip install -e '.\[dask\]'"):
        backfill(1, 3, **save_blocks(server.url), fan_out="dask")
    assert not server.calls


def test_force_is_refused_with_dask(save_blocks: SaveBlocks) -> None:
    with pytest.raises(ConfigurationError, match="force works with fan_out 'here' only"):
        backfill(1, 1, force=True, fan_out="dask")
