"""A backfill over a Dask cluster of processes, one of which is killed with its chunk."""

import builtins
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from flows.backfill import backfill
from sorobanflow.backfill import FanOutSummary
from sorobanflow.devnet import Chain, DevnetServer, Generator, parse_faults
from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.store.coverage import read_coverage

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, str]]


@pytest.fixture(scope="session")
def cluster() -> Any:
    """Two worker processes, and their scheduler's address."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        yield cluster


def test_dask_ok(
    cluster: Any, serve: Serve, save_blocks: SaveBlocks, engine: Engine, checksums: Checksums
) -> None:
    blocks: Any = save_blocks(serve(Chain(Generator(seed=71), closed=60)).url)
    t=time.time()
    summary: Any = backfill(1, 60, **blocks, chunk_ledgers=10, fan_out="dask", dask_address=cluster.scheduler_address)
    print("T", time.time()-t)
    assert isinstance(summary, FanOutSummary)
    assert (summary.written, summary.started, summary.complete) == ([(1, 60)], 6, True)
    fanned_out = checksums(engine)
    with engine.begin() as connection:
        names = ", ".join(name for name in fanned_out if name != "network")
        connection.execute(text(f"TRUNCATE {names}"))
    backfill(1, 60, **blocks, chunk_ledgers=10)
    assert checksums(engine) == fanned_out
