"""What every flow that indexes opens first: blocks, node, database, and the task runner.

Invariant: node and database hold the same network, and the database's schema is this
program's, before anything is indexed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine, inspect, text

from blocks import Database, StellarRpc
from blocks.documents import load_block
from blocks.rate_limit import shared_rate
from flows.harness.metrics import PoolWatch, process_metrics
from flows.harness.patience import DATABASE, NODE, PREFECT, Patience
from flows.harness.runner import PrefectRunner
from sorobanflow.errors import ConfigurationError, UnknownHostError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders, reduced_gc
from sorobanflow.pipeline.pipeline import OnWritten, Pipeline, Target
from sorobanflow.pipeline.sizer import BatchBounds, BatchSizer
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.records import Hook, join_hooks
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.sources.rpc.planner import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store import schema
from sorobanflow.store.claims import Claims, read_claims
from sorobanflow.store.coverage import Coverage, Stream, open_stream, pin_network, read_coverage
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
    settings: Settings, summary: RunSummary, patience: Patience, *, dry_run: bool = False
) -> Iterator["Indexer"]:
    """Load the blocks, check node and database against each other, start the task runner.

    Waits with patience for what is away. A dry run leaves a new database as it is,
    without tables and network.

    Raises:
        ConfigurationError: a filter, block or address is wrong; nothing was started.
        WrongNetworkError: the database holds another network than the node.
        SchemaError: the database's schema is not this program's.
    """
    event_filter = EventFilter.of(settings.contract_ids, settings.topics)
    node = patience.retry(PREFECT, lambda: load_block(StellarRpc, settings.rpc))
    database = patience.retry(PREFECT, lambda: load_block(Database, settings.database))
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
        client = patience.client = stack.enter_context(node.client(hook, workers, rate))
        passphrase = patience.retry("the node to name its network", partial(_network, client))
        engine = patience.retry(
            "a connection to the database",
            lambda: stack.enter_context(database.engine(patience.watch_pool)),
        )
        if metrics:
            watch = PoolWatch(engine, metrics)
            hook = join_hooks(hook, watch)
            stack.callback(watch.look)
        if not dry_run or patience.retry(DATABASE, partial(in_use, engine)):
            patience.retry("the database's schema", partial(schema.prepare, engine))
            patience.retry("the table network", partial(pin_network, engine, passphrase))
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
            patience,
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
    patience: Patience
    hook: Hook | None = None
    sizers: list[BatchSizer] = field(default_factory=list)

    def pipeline(self, on_written: OnWritten) -> Pipeline:
        """Make a pipeline; each thread that indexes needs one of its own."""
        sizer = BatchSizer(self.bounds)
        self.sizers.append(sizer)

        def written(ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
            self.patience.progressed()
            on_written(ledgers, rows)

        return Pipeline(
            self.runner, self.source, self.decoders, self.target, sizer, written, self.hook
        )

    def health(self) -> Health:
        """Ask the node for its ledgers, with patience."""
        return self.patience.retry(NODE, self.source.client.get_health)

    def coverage(self) -> Coverage:
        """Read what the stream holds, with patience."""
        target = self.target
        return self.patience.retry(
            DATABASE, lambda: read_coverage(target.engine, target.stream.name)
        )

    def claims(self, ledgers: Sequence[LedgerRange]) -> Claims:
        """Read what state rows claim of ledgers, with patience; a filtered stream judges none."""
        if self.source.is_filtered:
            return Claims()
        claims = self.patience.retry(DATABASE, lambda: read_claims(self.target.engine, ledgers))
        self.patience.progressed()  # it scans whole tables
        return claims

    def open_stream(self, first: int | None = None) -> None:
        """Create the stream's row, with patience."""
        target = self.target
        self.patience.retry(DATABASE, lambda: open_stream(target.engine, target.stream, first))

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


def _network(client: RpcClient) -> str:
    try:
        return client.get_network().passphrase
    except UnknownHostError as error:
        raise ConfigurationError(f"{error}; check the URL of the stellar-rpc block") from error


def _bounds(settings: Settings, node: StellarRpc) -> BatchBounds:
    if settings.batch_size is None:
        return node.batch_bounds()
    size = settings.batch_size
    return BatchBounds(size, size, size, node.batch_bounds().max_bytes)
