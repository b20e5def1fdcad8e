"""A backfill over a Dask cluster: the same database, and what happens when a part of it dies."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
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
        n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        yield cluster


def _truncate(engine: Engine, tables: dict[str, tuple[int, str]]) -> None:
    names = ", ".join(name for name in tables if name != "network")
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}"))


def _wait(engine: Engine, count: int) -> None:
    deadline = time.monotonic() + 30
    while read_coverage(engine, "all").count < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_worker_costs_nothing_and_the_database_is_that_of_a_run_here(
    cluster: Any, serve: Serve, save_blocks: SaveBlocks, engine: Engine, checksums: Checksums
) -> None:
    chain = Chain(Generator(seed=71), closed=50)
    blocks = save_blocks(serve(chain, latency_s=0.03).url)
    killed = cluster.workers[0].pid

    def kill() -> None:
        _wait(engine, 10)
        os.kill(killed, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    address = cluster.scheduler_address
    summary: Any = backfill(1, 50, **blocks, chunk_ledgers=10, fan_out="dask", dask_address=address)
    killer.join()
    assert isinstance(summary, FanOutSummary)
    assert (summary.written, summary.started, summary.complete) == ([(1, 50)], 5, True)
    assert cluster.workers[0].pid != killed
    fanned_out = checksums(engine)
    _truncate(engine, fanned_out)
    backfill(1, 50, **blocks)
    assert checksums(engine) == fanned_out


def test_failed_chunk_is_named_and_the_others_go_on(
    cluster: Any, serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    # Refused for good: the first chunk that asks fails, and is not tried again.
    faulty = serve(Chain(Generator(seed=72), closed=40), faults=parse_faults("getEvents:1=-32602"))
    parameters = {
        **save_blocks(faulty.url),
        "chunk_ledgers": 10,
        "fan_out": "dask",
        "dask_address": cluster.scheduler_address,
    }
    with pytest.raises(RetriableError, match=r"ledgers of 1 chunks .*Failed: .*Rpc"):
        backfill(1, 40, **parameters)
    assert read_coverage(engine, "all").count == 30
    assert backfill(1, 40, **parameters).ledgers == 10
    assert read_coverage(engine, "all").covered == ((1, 40),)


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
