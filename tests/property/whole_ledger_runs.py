"""Runs of a backfill's own logic on whole ledgers, of a faulty data lake or a faulty node.

As `fault_runs`, whose settings it shares; after a run that fails the next one goes on.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

from prefect.logging import disable_run_logger
from sqlalchemy import Engine

from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import Indexer
from sorobanflow.devnet import (
    Chain,
    ChainLake,
    DevnetServer,
    Generator,
    LakeServer,
    parse_faults,
)
from sorobanflow.errors import SorobanflowError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders
from sorobanflow.pipeline.pipeline import Target
from sorobanflow.pipeline.sizer import BatchBounds
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.http import HttpStore
from sorobanflow.sources.lake.opening import open_lake
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.whole_ledgers import LedgersSource
from sorobanflow.sources.source import Source
from sorobanflow.store.coverage import Stream, pin_network, read_coverage
from tests.property.fault_runs import BREAKER, HTTP, RETRY, Impatient, RetryingRunner

LAKE, NODE = "lake", "ledgers"
#: Of two in each object, but the first, which starts with the chain.
LEDGERS = LedgerRange(1, 9)
#: Runs within which every schedule of finite length is through.
MAX_RUNS = 40


@cache
def chain() -> Chain:
    return Chain(Generator(seed=3, transactions_per_ledger=2), closed=LEDGERS.last)


@contextmanager
def serve(source: str, faults: str) -> Iterator[str]:
    """Serve the chain under faults; gives the URL."""
    parsed = parse_faults(faults)
    lake = LakeServer(ChainLake(chain(), 2), faults=parsed) if source == LAKE else None
    with lake or DevnetServer(chain(), faults=parsed) as server:
        yield server.url


@contextmanager
def open_source(source: str, url: str, workers: int) -> Iterator[Source]:
    """Open the source; its calls end when the block fails."""
    settings: Any = {"retry": RETRY, "breaker": BREAKER}
    client: Any = (
        LakeClient(HttpStore(url, HTTP), workers, **settings)
        if source == LAKE
        else RpcClient(url, http=HTTP, **settings)
    )
    with client:
        try:
            yield (
                open_lake(client)
                if source == LAKE
                else LedgersSource(client, client.get_network().passphrase)
            )
        except BaseException:
            client.stop()
            raise


@contextmanager
def open_indexer(opened: Source, engine: Engine, workers: int) -> Iterator[Indexer]:
    """What the flow opens, without its blocks."""
    runner: Any = RetryingRunner(workers)
    with closing(Impatient(None, str)) as impatient, closing(runner):
        pin_network(engine, opened.passphrase)
        decoders = Decoders(opened.passphrase, 0)
        bounds = BatchBounds(10, 10, 10)
        target = Target(engine, Stream())
        try:
            yield Indexer(runner, opened, decoders, target, bounds, impatient)
        except BaseException:
            opened.stop()
            raise


def run_once(source: str, url: str, engine: Engine, workers: int) -> None:
    """Index what is missing, as a backfill does."""
    with (
        disable_run_logger(),
        open_source(source, url, workers) as opened,
        open_indexer(opened, engine, workers) as indexer,
    ):
        indexer.open_stream()
        index_or_record_gaps(indexer, indexer.pipeline(_ignore), LEDGERS, [])


def index_through(source: str, faults: str, workers: int, engine: Engine) -> list[str]:
    """Run until every ledger is stored; gives what the failed runs raised."""
    raised = []
    with serve(source, faults) as url:
        for _ in range(MAX_RUNS):
            try:
                run_once(source, url, engine, workers)
            except SorobanflowError as error:
                raised.append(f"{type(error).__name__}: {error}")
            if read_coverage(engine, "all").covered == (LEDGERS,):
                return raised
    raise AssertionError(f"not through after {MAX_RUNS} runs: {raised[-3:]}")


def _ignore(ledgers: LedgerRange, rows: Any) -> None:
    """Take note of nothing."""
