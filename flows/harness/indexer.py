"""The indexer: what every flow that indexes opens first, and its pipelines share.

Loads the blocks, checks node and database against each other, and starts the one task
runner that caps the calls. Leaves the work to `pipeline`, and the choice of ranges to
the flows.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from sqlalchemy import Engine, inspect, text

from blocks import Database, StellarRpc
from blocks.documents import load_block
from blocks.rate_limit import shared_rate
from flows.harness.metrics import PoolWatch, process_metrics
from sorobanflow.pipeline.batch import Source
from sorobanflow.pipeline.decoding import Makers, seldom_looking_for_garbage
from sorobanflow.pipeline.pipeline import OnWritten, Pipeline, Target
from sorobanflow.pipeline.sizer import BatchBounds, BatchSizer
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.records import Hook, fan_out
from sorobanflow.sources.rpc.fetch_plan import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, pin_network
from sorobanflow.store.pool import pool_stats


@dataclass
class Settings:
    """What a flow's parameters say about indexing; None: what the block says.

    A `batch_size` that is given stays; the block's adapts within its bounds.
    """

    rpc: str
    database: str
    contract_ids: list[str] | None
    topics: list[list[str]] | None
    fetch_plan: FetchPlan
    batch_size: int | None
    max_workers: int | None


@contextmanager
def open_indexer(
    settings: Settings, summary: RunSummary, *, dry_run: bool = False
) -> Iterator["Indexer"]:
    """Load the blocks, check node and database against each other, start the runner.

    Args:
        settings: What to index, and how.
        summary: Its counts are the client's hook.
        dry_run: Leave a new database as it is, without tables and network.

    Raises:
        ConfigurationError: a filter or block is wrong; nothing was started.
        WrongNetworkError: the database holds another network than the node.
        SchemaError: the database's schema is not this program's.
    """
    event_filter = EventFilter.of(settings.contract_ids, settings.topics)
    node, database = load_block(StellarRpc, settings.rpc), load_block(Database, settings.database)
    workers = settings.max_workers or node.max_workers
    bounds = (
        BatchBounds(settings.batch_size, settings.batch_size, settings.batch_size)
        if settings.batch_size
        else node.batch_bounds()
    )
    planner = TransactionPlanner(
        settings.fetch_plan, event_filter is not None, workers, node.batch_calls
    )
    with ExitStack() as stack:
        rate = None
        if node.max_requests_per_s:
            name = f"stellar-rpc-{settings.rpc}"
            rate = stack.enter_context(shared_rate(name, node.max_requests_per_s))
        stack.enter_context(seldom_looking_for_garbage())
        metrics = process_metrics()
        hook = fan_out(summary.stats, metrics)
        client = stack.enter_context(node.client(hook, workers, rate))
        passphrase = client.get_network().passphrase
        engine = stack.enter_context(database.engine())
        if metrics:
            watch = PoolWatch(engine, metrics)
            hook = fan_out(hook, watch)
            stack.callback(watch.look)
        if not dry_run or in_use(engine):
            schema.prepare(engine)
            pin_network(engine, passphrase)
        runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=workers)
        stack.enter_context(runner)
        # The runner waits for its tasks when it closes: on the way out of a failure or an
        # interrupt, none may go on retrying.
        stack.push(lambda kind, error, trace: client.stop() if kind else None)
        stream = Stream.of_filter(event_filter.canonical_json if event_filter else None)
        makers = stack.enter_context(Makers(passphrase, node.processes()))
        source = Source(client, passphrase, event_filter, planner, makers)
        indexer = Indexer(runner, source, Target(engine, stream), bounds, [], hook)
        stack.callback(indexer.sum_up, summary)
        yield indexer


@dataclass
class Indexer:
    """What the pipelines of a run share; the runner caps the calls of all of them at once.

    Attributes:
        runner: A started task runner.
        source: Client, network and filter.
        target: Engine and stream.
        bounds: What a batch may hold.
        sizers: Those of its pipelines.
        hook: Gets a record of what its pipelines do.
    """

    runner: TaskRunner[Any]
    source: Source
    target: Target
    bounds: BatchBounds
    sizers: list[BatchSizer]
    hook: Hook | None = None

    def pipeline(self, on_written: OnWritten) -> "Pipeline":
        """Make a pipeline; each thread that indexes needs one of its own."""
        sizer = BatchSizer(self.bounds)
        self.sizers.append(sizer)
        return Pipeline(self.runner, self.source, self.target, sizer, on_written, self.hook)

    def sum_up(self, summary: RunSummary) -> None:
        """Note in the summary what adapted to the node and the database."""
        summary.batch_aims = [sizer.target for sizer in self.sizers]
        summary.pool = pool_stats(self.target.engine)


def in_use(engine: Engine) -> bool:
    """Whether the database was ever written to by a run."""
    if not inspect(engine).has_table("network"):
        return False
    with engine.begin() as connection:
        return bool(connection.execute(text("SELECT EXISTS (SELECT FROM network)")).scalar())
