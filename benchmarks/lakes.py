"""The same ledgers from a node and from a data lake, and a backfill of them without Prefect.

Node and lake server run in processes of their own. A backfill takes what its block says of
batches, concurrent calls and processes, as the flow does.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]
from pydantic import SecretStr
from sqlalchemy import Engine

from benchmarks import common, plain
from benchmarks.processes import Cpu, postmaster
from blocks import DataLake, StellarRpc
from deployments.services import devnet
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders, reduced_gc
from sorobanflow.pipeline.pipeline import Pipeline, Target
from sorobanflow.pipeline.runner import ThreadRunner
from sorobanflow.pipeline.sizer import (
    FIRST_BATCH,
    FIRST_WHOLE_LEDGERS,
    BatchBounds,
    BatchSizer,
)
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.rpc.whole_ledgers import LedgersSource
from sorobanflow.sources.source import Source
from sorobanflow.store.coverage import open_stream, pin_network
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings

SOURCES = NODE, GET_LEDGERS, LAKE = "node", "getLedgers", "lake"


class Served(NamedTuple):
    """Ledgers that a node and a lake serve."""

    ledgers: LedgerRange
    node_url: str
    lake_url: str


@contextmanager
def served(supply: Sequence[str], ledgers: LedgerRange) -> Iterator[Served]:
    """Serve ledgers until the block ends; `supply` are the devnet's options that name them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sorobanflow.devnet", "lake", folder, *supply]
        ends = ["--first", str(ledgers.first), "--last", str(ledgers.last)]
        subprocess.run([*command, *ends], check=True, stdout=subprocess.DEVNULL)
        closed = ["--ledgers", str(ledgers.size)]
        with devnet([*supply, *closed]) as node, devnet(["lake-server", folder]) as lake:
            yield Served(ledgers, node, lake)


class Opened(NamedTuple):
    """A source, and what its block says about using it."""

    source: Source
    bounds: BatchBounds
    workers: int
    processes: int


@contextmanager
def opened(place: Served, name: str) -> Iterator[Opened]:
    """Open one of `SOURCES`."""
    if name == LAKE:
        lake = DataLake(url=SecretStr(place.lake_url))
        with lake.client() as client:
            source = lake.source(client)
            yield Opened(source, lake.batch_bounds(), lake.max_workers, lake.processes())
        return
    node = StellarRpc(url=SecretStr(place.node_url))
    is_whole = name == GET_LEDGERS
    with node.client() as rpc:
        passphrase, workers = rpc.get_network().passphrase, node.max_workers
        plan = TransactionPlanner("auto", False, workers, node.batch_calls)
        whole, items = LedgersSource(rpc, passphrase), RpcSource(rpc, passphrase, None, plan)
        source = whole if is_whole else items
        yield Opened(source, node.batch_bounds(), workers, node.processes(is_whole))


class Took(NamedTuple):
    """What a backfill took: seconds, and CPU seconds by process as `Cpu` tells them."""

    seconds: float
    transactions: int
    cpu: dict[str, float]


@contextmanager
def database(place: Served, postgres: EmbeddedPostgres) -> Iterator[Engine]:
    """Give a new database, ready for the ledgers."""
    with (
        common.fresh_database(postgres) as url,
        open_engine(url, PoolSettings(max_idle=1, max_open=10)) as engine,
        opened(place, NODE) as node,
    ):
        pin_network(engine, node.source.passphrase)
        open_stream(engine, plain.STREAM, place.ledgers.first)
        yield engine


def backfill(
    place: Served, name: str, engine: Engine, postgres: EmbeddedPostgres, items: int | None = None
) -> Took:
    """Index the ledgers from one of `SOURCES`; `items`: those of a batch, if it is fixed."""
    with (
        opened(place, name) as one,
        Decoders(one.source.passphrase, one.processes) as decoders,
        ThreadRunner(one.workers) as runner,
        reduced_gc(),
    ):
        bounds = BatchBounds(items, items, items, one.bounds.max_bytes) if items else one.bounds
        target = Target(engine, plain.STREAM)
        transactions = list[int]()
        pipeline = Pipeline(
            runner,
            one.source,
            decoders,
            target,
            BatchSizer(bounds, FIRST_BATCH if name == NODE else FIRST_WHOLE_LEDGERS),
            lambda ledgers, rows: transactions.append(rows["transactions"]),
        )
        cpu, began = Cpu(postgres.folder), time.monotonic()
        pipeline.run(place.ledgers)
        took_s, used = time.monotonic() - began, cpu.used()
    assert plain.covered(engine).covered == (place.ledgers,)
    return Took(took_s, sum(transactions), used)


@contextmanager
def on_cores(cores: int, postgres: EmbeddedPostgres) -> Iterator[None]:
    """Keep this process, all that it started and PostgreSQL on some cores until the block ends.

    What they start later stays there too.
    """
    before = os.sched_getaffinity(0)
    _pin({*sorted(before)[:cores]}, postgres)
    try:
        yield
    finally:
        _pin(before, postgres)


def _pin(cores: set[int], postgres: EmbeddedPostgres) -> None:
    roots = psutil.Process(), postmaster(postgres.folder)
    for root in roots:
        for process in [root, *root.children(recursive=True)]:
            for thread in process.threads():
                os.sched_setaffinity(thread.id, cores)
