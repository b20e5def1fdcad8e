"""Backfill: a closed ledger range, in chunks, here or fanned out over workers.

Beside live indexing: it takes what coverage lacks of the range, and neither
moves nor waits for the live position. What to do is planned in
`sorobanflow.pipeline.backfill`; `fan_out` has chunks carried out elsewhere.
"""

import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.documents import DEFAULT_NAME
from flows.harness.deployment_fan_out import deployment
from flows.harness.fan_out import FanOut
from flows.harness.indexer import Indexer, Settings, in_use, open_indexer
from flows.harness.outcome import final_state, index_closed_range, record_lost
from flows.harness.parameters import Ledger, Workers
from flows.harness.progress import Progress
from flows.harness.run_page import conclude, tag_run
from flows.harness.stall import fail_on_stall
from flows.harness.terminal import run_flow
from sorobanflow.errors import ClientStoppedError, ConfigurationError
from sorobanflow.ledgers import LedgerRange, subtract
from sorobanflow.pipeline.backfill import (
    BackfillPlan,
    FanOutSummary,
    PlanSummary,
    plan_backfill,
    refuse_incomplete,
)
from sorobanflow.pipeline.pipeline import Pipeline
from sorobanflow.pipeline.summary import RunSummary, ranges_text
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Coverage, open_stream, read_coverage
from sorobanflow.store.pool import stop_engine

#: Chunks at once in this process. 14,760 transactions from a node that answers in 300 ms: 44 s
#: with 1, 29 s with 2, 26 s with 3; from one that answers at once, decoding is the limit.
CHUNKS_AT_ONCE = 2
POLL_S = 0.5


@flow(
    name="backfill",
    flow_run_name="backfill {start_ledger}-{end_ledger}",
    validate_parameters=True,
    persist_result=False,
    retries=0,
)
def backfill(
    start_ledger: Ledger,
    end_ledger: Ledger,
    contract_ids: list[str] | None = None,
    topics: list[list[str]] | None = None,
    chunk_ledgers: Annotated[int, Field(ge=1, le=1_000_000)] = 1000,
    max_workers: Workers | None = None,
    dry_run: bool = False,
    fan_out: Literal["here", "deployments"] = "here",
    force: bool = False,
    stall_s: Annotated[float, Field(ge=5, le=86_400)] = 300,
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Index what coverage lacks of a closed ledger range.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`; writes every
    table. A second run does only what is missing still; a crash half-way loses
    the batches in flight, and the next run does them again. A chunk that fails
    does not stop the others; the run then fails at its end and names the ledgers.

    Args:
        start_ledger: First ledger wanted.
        end_ledger: Last ledger wanted; the node has to have it already.
        contract_ids: Index only events of these contracts (C…, at most 5), and
            their transactions. Empty: everything.
        topics: Index only events with these topics: up to 5 alternatives, each
            a list of base64 ScVal, "*" or a last "**".
        chunk_ledgers: Ledgers per chunk. Chunks are worked on side by side,
            those nearest to the node's oldest ledger first.
        max_workers: Calls to the node at once, per process. Empty: the block's.
        dry_run: Write nothing; show the plan, and what it would take.
        fan_out: Where chunks run: "here", in this process; or with "deployments" as a
            run of `backfill-range` each, on whatever workers there are.
        force: Index the covered ledgers of the range as well.
        stall_s: Seconds without a committed batch after which the run fails; with
            deployments: without a sign of life of a chunk's run, which is then started again.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    requested = LedgerRange(start_ledger, end_ledger)
    settings = Settings(rpc, database, contract_ids, topics, "auto", None, max_workers)
    _check(fan_out, force)
    summary = _summary(dry_run, fan_out)
    try:
        with open_indexer(settings, summary, dry_run=dry_run) as indexer:
            tag_run(indexer)
            plan = _plan(indexer, requested, chunk_ledgers, force)
            if isinstance(summary, PlanSummary):
                _estimate(indexer, plan, summary)
            elif isinstance(summary, FanOutSummary):
                fan = FanOut(indexer, settings, summary, stall_s, deployment)
                _carry_out(indexer, plan, fan, summary)
            else:
                with fail_on_stall(indexer, summary, stall_s, partial(_rest, plan, summary)):
                    _carry_out(indexer, plan, _Here(indexer, summary, force), summary)
    finally:
        key = "backfill-plan" if dry_run else "backfill"
        conclude(key, summary, f"{key} {requested}")
    return final_state(summary)


def _check(fan_out: str, force: bool) -> None:
    if fan_out != "here" and force:
        # Coverage is how the chunks' progress is seen, and it does not grow then.
        raise ConfigurationError("force works with fan_out 'here' only; leave one of them out")


def _summary(dry_run: bool, fan_out: str) -> RunSummary:
    kind = PlanSummary if dry_run else RunSummary if fan_out == "here" else FanOutSummary
    return kind(RpcStats())


def _plan(
    indexer: Indexer, requested: LedgerRange, chunk_ledgers: int, force: bool
) -> BackfillPlan:
    node = indexer.source.client.get_health()
    engine, stream = indexer.target.engine, indexer.target.stream
    coverage = read_coverage(engine, stream.name) if in_use(engine) else Coverage()
    plan = plan_backfill(requested, node, coverage, chunk_ledgers, force)
    get_run_logger().info(
        f"{indexer.source.client.endpoint} has ledgers {node.oldest_ledger}-{node.latest_ledger}; "
        f"of {requested}, {plan.covered:,} are covered; "
        f"{plan.ledgers:,} to index, in chunks of {chunk_ledgers:,}"
    )
    return plan


def _estimate(indexer: Indexer, plan: BackfillPlan, summary: PlanSummary) -> None:
    summary.plan = plan
    summary.at_once = min(CHUNKS_AT_ONCE, len(plan.chunks))
    if plan.chunks:
        summary.probe = indexer.pipeline(summary.add).probe(plan.chunks[0], summary.stats)
    summary.finished = True


def _carry_out(
    indexer: Indexer, plan: BackfillPlan, carrier: "FanOut | _Here", summary: RunSummary
) -> None:
    target = indexer.target
    open_stream(target.engine, target.stream)
    for lost in plan.lost:
        summary.gaps += record_lost(indexer, lost, plan.oldest)
    progress = Progress("backfill-progress", plan.ledgers)
    with summary.working():
        failed = carrier.run(plan.chunks, progress)
    progress.tell(summary.ledgers)
    summary.take_stock(read_coverage(target.engine, target.stream.name))
    refuse_incomplete(failed)


def _rest(plan: BackfillPlan, summary: RunSummary) -> str:
    rest = [part for chunk in plan.chunks for part in subtract(chunk, summary.written)]
    return f"ledgers {ranges_text(rest)}, which the node has"


class _Here:
    """Works on chunks side by side in threads of this process."""

    def __init__(self, indexer: Indexer, summary: RunSummary, force: bool) -> None:
        self._indexer = indexer
        self._summary = summary
        self._force = force
        self._lock = threading.Lock()
        self._failed: dict[LedgerRange, str] = {}

    def run(self, chunks: Sequence[LedgerRange], progress: Progress) -> dict[LedgerRange, str]:
        """Index the chunks, in their order; gives those that failed, and why."""
        todo = deque(chunks)
        with ThreadPoolExecutor(CHUNKS_AT_ONCE, "chunk") as threads:
            # Each thread is in the flow's context, so that its tasks are the run's.
            drives = [
                threads.submit(copy_context().run, self._drive, todo)
                for _ in range(min(CHUNKS_AT_ONCE, len(chunks)))
            ]
            try:
                while wait(drives, POLL_S).not_done:
                    progress.show(self._summary.ledgers)
            except BaseException:
                # The threads are waited for on the way out: they shall have nothing to do.
                todo.clear()
                self._indexer.source.client.stop()
                stop_engine(self._indexer.target.engine)
                raise
        for drive in drives:
            drive.result()
        return self._failed

    def _drive(self, todo: deque[LedgerRange]) -> None:
        pipeline = self._indexer.pipeline(self._written)
        while chunk := self._next(todo):
            try:
                self._index(pipeline, chunk)
            except Exception as error:
                get_run_logger().error(f"chunk {chunk} failed, the others go on: {error}")
                self._failed[chunk] = f"{type(error).__name__}: {error}"
                if isinstance(error, ClientStoppedError):
                    todo.clear()  # nothing gets an answer any more

    def _next(self, todo: deque[LedgerRange]) -> LedgerRange | None:
        with self._lock:
            return todo.popleft() if todo else None

    def _index(self, pipeline: Pipeline, chunk: LedgerRange) -> None:
        gaps = index_closed_range(self._indexer, pipeline, chunk, self._force)
        with self._lock:
            self._summary.gaps += gaps

    def _written(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        with self._lock:
            self._summary.add(ledgers, rows)


if __name__ == "__main__":
    sys.exit(run_flow(backfill, sys.argv[1:]))
