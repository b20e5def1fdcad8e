"""What every flow that indexes opens first: blocks, node, database, and the task runner.

Invariant: node and database hold the same network, and the database's schema is this
program's, before anything is indexed.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, inspect, text

from blocks import Database, StellarRpc
from blocks.documents import load_block
from blocks.rate_limit import shared_rate
from flows.harness.metrics import PoolWatch, process_metrics
from flows.harness.runner import PrefectRunner
from sorobanflow.pipeline.decoding import Decoders, reduced_gc
from sorobanflow.pipeline.pipeline import OnWritten, Pipeline, Target
from sorobanflow.pipeline.sizer import BatchBounds, BatchSizer
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.records import Hook, join_hooks
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.sources.rpc.planner import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, pin_network
from sorobanflow.store.engine import pool_of


@dataclass(frozen=True)
class Settings:
    """What a flow's parameters say about indexing; None: what the block says.

    A `batch_size` that is given stays; the block's adapts within its bounds.
    """

    rpc: str
    database: str
    contract_ids: list[str] | None = None
    topics: list[list[str]] | None = None
    fetch_plan: FetchPlan = "auto"
    batch_size: int | None = None
    max_workers: int | None = None


@contextmanager
def open_indexer(
    settings: Settings, summary: RunSummary, *, dry_run: bool = False
) -> Iterator["Indexer"]:
    """Load the blocks, check node and database against each other, start the task runner.

    A dry run leaves a new database as it is, without tables and network.

    Raises:
        ConfigurationError: a filter or block is wrong; nothing was started.
        WrongNetworkError: the database holds another network than the node.
        SchemaError: the database's schema is not this program's.
    """
    event_filter = EventFilter.of(settings.contract_ids, settings.topics)
    node, database = load_block(StellarRpc, settings.rpc), load_block(Database, settings.database)
    workers = settings.max_workers or node.max_workers
    planner = TransactionPlanner(
        settings.fetch_plan, event_filter is not None, workers, node.batch_calls
    )
    with ExitStack() as stack:
        rate = None
        if node.max_requests_per_s:
            name = f"stellar-rpc-{settings.rpc}"
            rate = stack.enter_context(shared_rate(name, node.max_requests_per_s))
        stack.enter_context(reduced_gc())
        metrics = process_metrics()
        hook = join_hooks(summary.stats, metrics)
        client = stack.enter_context(node.client(hook, workers, rate))
        passphrase = client.get_network().passphrase
        engine = stack.enter_context(database.engine())
        if metrics:
            watch = PoolWatch(engine, metrics)
            hook = join_hooks(hook, watch)
            stack.callback(watch.look)
        if not dry_run or in_use(engine):
            schema.prepare(engine)
            pin_network(engine, passphrase)
        runner = stack.enter_context(PrefectRunner(workers))
        # The runner waits for its tasks when it closes: after a failure or an interrupt,
        # none may go on retrying.
        stack.push(lambda kind, error, trace: client.stop() if kind else None)
        indexer = Indexer(
            runner,
            RpcSource(client, passphrase, event_filter, planner),
            stack.enter_context(Decoders(passphrase, node.processes())),
            Target(engine, Stream.of_filter(event_filter.canonical_json if event_filter else None)),
            _bounds(settings, node),
            hook,
        )
        stack.callback(indexer.sum_up, summary)
        yield indexer


@dataclass
class Indexer:
    """What the pipelines of a run share; the runner caps the calls of all of them."""

    runner: PrefectRunner
    source: RpcSource
    decoders: Decoders
    target: Target
    bounds: BatchBounds
    hook: Hook | None = None
    sizers: list[BatchSizer] = field(default_factory=list)

    def pipeline(self, on_written: OnWritten) -> Pipeline:
        """Make a pipeline; each thread that indexes needs one of its own."""
        sizer = BatchSizer(self.bounds)
        self.sizers.append(sizer)
        return Pipeline(
            self.runner, self.source, self.decoders, self.target, sizer, on_written, self.hook
        )

    def sum_up(self, summary: RunSummary) -> None:
        """Note in the summary what adapted to the node and the database."""
        summary.batch_sizes = [sizer.target for sizer in self.sizers]
        summary.pool = pool_of(self.target.engine).stats()


def in_use(engine: Engine) -> bool:
    """Whether a run has ever written to the database."""
    if not inspect(engine).has_table("network"):
        return False
    with engine.begin() as connection:
        return bool(connection.execute(text("SELECT EXISTS (SELECT FROM network)")).scalar())


def _bounds(settings: Settings, node: StellarRpc) -> BatchBounds:
    if settings.batch_size is None:
        return node.batch_bounds()
    size = settings.batch_size
    return BatchBounds(size, size, size, node.batch_bounds().max_bytes)
