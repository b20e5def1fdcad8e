"""Runs of the index flow's own logic against a faulty devnet, without Prefect's server.

Real HTTP, real PostgreSQL, the flow's own order of steps and the tasks' own
retry policy; only what runs the tasks stands in: a thread pool. After a run
that fails the next one goes on, as on a schedule.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cache
from typing import Any, NamedTuple, TypeVar

from prefect.logging import disable_run_logger
from prefect.states import Failed
from sqlalchemy import Engine, text

from flows.harness.indexer import Indexer
from flows.harness.live import LiveIndexing
from flows.harness.patience import Patience
from flows.harness.runner import TASKS
from sorobanflow.devnet import Chain, DevnetServer, Generator, ListedLedgers, parse_faults
from sorobanflow.devnet.supply import Ledger
from sorobanflow.errors import SorobanflowError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders
from sorobanflow.pipeline.pipeline import Target
from sorobanflow.pipeline.sizer import BatchBounds
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.endpoint.breaker import BreakerSettings
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Stream, pin_network, read_coverage
from sorobanflow.store.tables import metadata

T = TypeVar("T")
LEDGERS = LedgerRange(1, 8)
#: Chains from this one on have nodes that give no events of half of the transactions.
QUIET = 4
#: Runs within which every schedule of finite length is through.
MAX_RUNS = 60

RETRY = RetrySettings(attempts=3, base_s=0.001, cap_s=0.004, max_retry_after_s=0.01)
BREAKER = BreakerSettings(failure_threshold=3, open_s=0.005, half_open_max=1, wait_s=0.1)
HTTP = HttpSettings(timeout_s=0.2, connect_timeout_s=2.0, max_response_bytes=2**20)
TASK_RETRY_S = 0.005


class Setup(NamedTuple):
    """What is indexed, and how."""

    chain: int = 0
    filtered: bool = False
    fetch_plan: FetchPlan = "auto"
    batch_size: int = 40
    workers: int = 3
    batch_calls: int = 20

    @property
    def event_filter(self) -> EventFilter | None:
        return EventFilter.of(None, [["*", "**"]]) if self.filtered else None

    @property
    def stream(self) -> Stream:
        event_filter = self.event_filter
        return Stream.of_filter(event_filter.canonical_json if event_filter else None)


@cache
def source_of(chain: int) -> ListedLedgers:
    """A small chain: ledgers of no to three transactions."""
    source = Generator(seed=chain, transactions_per_ledger=3)
    ledgers = []
    for sequence in range(LEDGERS.first, LEDGERS.last + 1):
        whole = source.ledger(sequence)
        kept = whole.transactions[: (sequence * (chain + 1) + chain) % 4]
        ledger = Ledger(sequence, whole.close_time, whole.protocol, kept)
        if chain >= QUIET:
            events = (event for event in ledger.events if int(event.tx_hash, 16) % 2)
            vars(ledger)["events"] = tuple(events)
        ledgers.append(ledger)
    return ListedLedgers(ledgers, *LEDGERS, source.network)


class RetryingRunner:
    """Runs steps on threads and retries them as their tasks would, with short waits."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)

    def start(self, step: Any, after: Any = ()) -> Future[Any]:
        return self._pool.submit(_attempts, TASKS[step.kind], step)

    def close(self) -> None:
        self._pool.shutdown()


def _attempts(task: Any, step: Any) -> Any:
    for left in reversed(range(task.retries + 1)):
        try:
            return task.fn(step)
        except Exception as error:
            if not left or not task.retry_condition_fn(task, None, Failed(data=error)):
                raise
            time.sleep(TASK_RETRY_S)
    raise AssertionError("unreachable")


class Impatient(Patience):
    """Lets a run fail, so that the next one shows what it left."""

    def retry(self, waits_for: str, call: Callable[[], T]) -> T:
        return call()


@contextmanager
def open_indexer(setup: Setup, url: str, engine: Engine) -> Iterator[Indexer]:
    """What the flow opens, without its blocks."""
    client = RpcClient(url, retry=RETRY, breaker=BREAKER, http=HTTP)
    runner: Any = RetryingRunner(setup.workers)
    event_filter = setup.event_filter
    planner = TransactionPlanner(
        setup.fetch_plan, event_filter is not None, setup.workers, setup.batch_calls
    )
    with client, closing(Impatient(None, str)) as impatient:
        try:
            passphrase = client.get_network().passphrase
            pin_network(engine, passphrase)
            yield Indexer(
                runner,
                RpcSource(client, passphrase, event_filter, planner),
                Decoders(passphrase, 0),
                Target(engine, setup.stream),
                BatchBounds(setup.batch_size, setup.batch_size, setup.batch_size),
                impatient,
            )
        except BaseException:
            client.stop()
            raise
        finally:
            runner.close()


def run_once(setup: Setup, url: str, engine: Engine) -> None:
    """One run of the index flow, from the first ledger on, up to the tip."""
    with disable_run_logger(), open_indexer(setup, url, engine) as indexer:
        summary = RunSummary(RpcStats())
        LiveIndexing(indexer, LEDGERS.first, True, summary).catch_up()


def index_through(setup: Setup, faults: str, engine: Engine) -> list[str]:
    """Run until every ledger is stored or a gap; gives what the failed runs raised."""
    raised: list[str] = []
    server = DevnetServer(Chain(source_of(setup.chain)), faults=parse_faults(faults))
    with server:
        for _ in range(MAX_RUNS):
            try:
                run_once(setup, server.url, engine)
            except SorobanflowError as error:
                raised.append(f"{type(error).__name__}: {error}")
            if read_coverage(engine, setup.stream.name).accounted == [LEDGERS]:
                return raised
    raise AssertionError(f"not through after {MAX_RUNS} runs: {raised[-3:]}")


def clear(engine: Engine, passphrase: str) -> None:
    """Empty every table, and pin the network."""
    deletes = (
        f"{table.name} AS (DELETE FROM {table.fullname})" for table in metadata.sorted_tables
    )
    with engine.begin() as connection:
        connection.execute(text(f"WITH {', '.join(deletes)} SELECT"))
    pin_network(engine, passphrase)
