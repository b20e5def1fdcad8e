"""What every flow that indexes opens first: blocks, source, database, and the task runner.

Invariant: source and database hold the same network, and the database's schema is this
program's, before anything is indexed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import Engine, inspect, text

from blocks import Database
from blocks.documents import load_block
from flows.harness.metrics import PoolWatch, process_metrics
from flows.harness.patience import DATABASE, LEDGERS, PREFECT, Patience
from flows.harness.runner import PrefectRunner
from flows.harness.sources import Settings, open_source
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders, reduced_gc
from sorobanflow.pipeline.pipeline import OnWritten, Pipeline, Target
from sorobanflow.pipeline.sizer import (
    FIRST_BATCH,
    FIRST_WHOLE_LEDGERS,
    BatchBounds,
    BatchSizer,
)
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.records import Hook, join_hooks
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.source import Available, Source
from sorobanflow.store import schema
from sorobanflow.store.claims import Claims, read_claims
from sorobanflow.store.coverage import Coverage, Stream, open_stream, pin_network, read_coverage
from sorobanflow.store.engine import pool_of
from sorobanflow.store.partitions import set_partition_ledgers


@contextmanager
def open_indexer(
    settings: Settings, summary: RunSummary, patience: Patience, *, dry_run: bool = False
) -> Iterator["Indexer"]:
    """Load the blocks, check source and database against each other, start the task runner.

    Waits with patience for what is away. A dry run leaves a new database as it is,
    without tables and network.

    Raises:
        ConfigurationError: a filter, block or address is wrong; nothing was started.
        WrongNetworkError: the database holds another network than the source.
        SchemaError: the database's schema is not this program's.
    """
    event_filter = settings.event_filter
    database = patience.retry(PREFECT, lambda: load_block(Database, settings.database))
    with ExitStack() as stack:
        stack.enter_context(reduced_gc())
        metrics = process_metrics()
        hook = join_hooks(summary.stats, metrics)
        source, client, workers, bounds, processes = stack.enter_context(
            open_source(settings, hook, patience)
        )
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
            patience.retry("the table network", partial(pin_network, engine, source.passphrase))
            size = partial(set_partition_ledgers, engine, database.partition_ledgers)
            patience.retry("the table network", size)
        runner = stack.enter_context(PrefectRunner(workers))
        # The runner waits for its tasks when it closes: after a failure or an interrupt,
        # none may go on retrying.
        stack.push(lambda kind, error, trace: source.stop() if kind else None)
        indexer = Indexer(
            runner,
            source,
            stack.enter_context(
                Decoders(
                    source.passphrase,
                    processes,
                    settings.anchor,
                    with_calls=database.contract_calls,
                )
            ),
            Target(engine, Stream.of_filter(event_filter.canonical_json if event_filter else None)),
            bounds,
            patience,
            hook,
            client,
        )
        stack.callback(indexer.sum_up, summary)
        yield indexer


@dataclass
class Indexer:
    """What the pipelines of a run share; the runner caps the calls of all of them."""

    runner: PrefectRunner
    source: Source
    decoders: Decoders
    target: Target
    bounds: BatchBounds
    patience: Patience
    hook: Hook | None = None
    client: RpcClient | None = None  # of the node, if the source is one
    sizers: list[BatchSizer] = field(default_factory=list)

    def pipeline(self, on_written: OnWritten) -> Pipeline:
        """Make a pipeline; each thread that indexes needs one of its own."""
        is_cut = isinstance(self.source, RpcSource)
        sizer = BatchSizer(self.bounds, FIRST_BATCH if is_cut else FIRST_WHOLE_LEDGERS)
        self.sizers.append(sizer)

        def written(ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
            self.patience.progressed()
            on_written(ledgers, rows)

        return Pipeline(
            self.runner, self.source, self.decoders, self.target, sizer, written, self.hook
        )

    @property
    def node(self) -> RpcSource:
        """The source where it is a node's events and transactions, as for audits."""
        assert isinstance(self.source, RpcSource)
        return self.source

    def available(self, wanted: LedgerRange | None = None) -> Available:
        """Ask the source for its ledgers, with patience; `wanted`: see `Source`."""
        return self.patience.retry(LEDGERS, lambda: self.source.available(wanted))

    def coverage(self) -> Coverage:
        """Read what the stream holds, with patience."""
        target = self.target
        return self.patience.retry(
            DATABASE, lambda: read_coverage(target.engine, target.stream.name)
        )

    def claims(self, ledgers: Sequence[LedgerRange]) -> Claims:
        """Read what state rows claim of ledgers, with patience; a filtered stream judges none."""
        if self.source.event_filter is not None:
            return Claims()
        claims = self.patience.retry(DATABASE, lambda: read_claims(self.target.engine, ledgers))
        self.patience.progressed()  # it scans whole tables
        return claims

    @contextmanager
    def at_lake(self, name: str) -> Iterator["Indexer"]:
        """Open a data lake, of the same network, for the same stream.

        Raises:
            WrongNetworkError: the lake holds another network than the database.
        """
        settings = Settings("", "", source=name)
        assert self.hook is not None
        with open_source(settings, self.hook, self.patience) as opened:
            passphrase = opened.source.passphrase
            pin = partial(pin_network, self.target.engine, passphrase)
            self.patience.retry("the table network", pin)
            try:
                yield replace(self, source=opened.source)
            finally:
                opened.source.stop()  # its steps end before it is closed

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
