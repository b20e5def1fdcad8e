"""Backfill: a closed ledger range, in chunks, in this process or on Prefect's workers.

It runs beside live indexing: it indexes what coverage lacks of the range, and
neither moves nor waits for the live position. `sorobanflow.pipeline.backfill` plans
the chunks; `ChunkThreads` or `FanOut` has them indexed.
"""

import sys
from functools import partial
from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.documents import DEFAULT_NAME
from flows.harness.anchor import check_stored_anchor, read_anchor
from flows.harness.chunk_threads import CONCURRENT_CHUNKS, ChunkThreads
from flows.harness.fan_out import FanOut
from flows.harness.gaps import record_lost
from flows.harness.indexer import Indexer, in_use, open_indexer
from flows.harness.outcome import final_state
from flows.harness.parameters import STALL_S, Ledger, StallSeconds, Workers, ledger_range
from flows.harness.patience import DATABASE, patience
from flows.harness.progress import Progress
from flows.harness.run_page import conclude, tag_run
from flows.harness.sources import Settings
from flows.harness.terminal import run_flow
from flows.harness.unknown_tokens import name_tokens
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, ranges_text, subtract
from sorobanflow.pipeline.backfill import BackfillPlan, fail_on_failed_chunks, plan_backfill
from sorobanflow.pipeline.backfill_summary import FanOutSummary, PlanSummary
from sorobanflow.pipeline.probe import probe
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import refuse_lost
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Coverage


@flow(
    name="backfill",
    flow_run_name="backfill {start_ledger}-{end_ledger}",
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
    allow_gap: bool = False,
    stall_s: StallSeconds = STALL_S,
    source: str = "rpc",
    anchor: str | None = None,
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Index what coverage lacks of a closed ledger range.

    Reads the blocks `stellar-rpc` or `data-lake`, and `sorobanflow-database`;
    writes every table. A second run indexes only what is still missing; a crash loses the
    batches in flight, and the next run indexes them again. A chunk that fails
    does not stop the others; the run then fails at its end and names the ledgers.

    Args:
        start_ledger: First ledger to index.
        end_ledger: Last ledger to index; the source must have it already.
        contract_ids: Index only events of these contracts (C…, at most 5), and
            their transactions. Empty: everything.
        topics: Index only events with these topics: up to 5 alternatives, each
            a list of base64 ScVal, "*" or a last "**".
        chunk_ledgers: Ledgers per chunk. Several chunks are indexed at the same
            time, oldest ledgers first, because the node drops those first.
        max_workers: Maximum number of concurrent calls to the source, per process.
            Empty: the block's.
        dry_run: Write nothing; show the plan and an estimate of what it takes.
        fan_out: Where chunks are indexed: "here", in this process, or with
            "deployments" each as a run of `backfill-range`, on any of Prefect's workers.
        force: Index the covered ledgers of the range as well. Without a filter, the rows
            of the range are replaced: those that its ledgers do not make are removed.
        allow_gap: If the source no longer has ledgers of the range, record them as a gap
            instead of refusing the run. Ledgers that leave the node while the run works,
            and objects that a data lake lacks, are always recorded; the run then ends as
            Incomplete.
        stall_s: Seconds without a committed batch after which the run fails, whatever it
            waits for: the source or the database. With "deployments" it holds for the run of
            each chunk; one that does not end by itself counts as crashed and is started again.
        source: Where ledgers come from: "rpc", the node's events and transactions;
            "ledgers", its whole ledgers (getLedgers); or the name of a data-lake block,
            which needs no node. Whole ledgers are proved by their hashes, those that
            contract_ids and topics cannot select by their headers only.
        anchor: A ledger of the range and the hash of its header, `ledger:hash`, known from
            somewhere that you trust: the run fails if the source gives that ledger another
            hash. For whole ledgers without a filter only.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    if force and fan_out != "here":  # their progress is read from coverage, which does not grow
        raise ConfigurationError("force works with fan_out 'here' only; leave one of them out")
    requested = ledger_range(start_ledger, end_ledger)
    settings = Settings(
        rpc,
        database,
        contract_ids,
        topics,
        max_workers=max_workers,
        source=source,
        anchor=read_anchor(anchor, requested),
    )
    summary = _summary(dry_run, fan_out)
    try:
        with (
            patience(stall_s) as patient,
            open_indexer(settings, summary, patient, dry_run=dry_run) as indexer,
        ):
            tag_run(indexer)
            plan = _plan(indexer, requested, chunk_ledgers, force, allow_gap or dry_run)
            if not (force or dry_run):
                check_stored_anchor(indexer, settings.anchor)
            if isinstance(summary, PlanSummary):
                _estimate(indexer, plan, summary)
            elif isinstance(summary, FanOutSummary):
                _index(indexer, plan, summary, FanOut(indexer, settings, summary, stall_s))
            else:
                patient.waits_for = partial(_rest, plan, summary)
                _index(indexer, plan, summary, ChunkThreads(indexer, summary, force))
    finally:
        key = "backfill-plan" if dry_run else "backfill"
        conclude(key, summary, f"{key} {requested}")
    return final_state(summary)


def _summary(dry_run: bool, fan_out: str) -> RunSummary:
    if dry_run:
        return PlanSummary(RpcStats())
    return RunSummary(RpcStats()) if fan_out == "here" else FanOutSummary(RpcStats())


def _plan(
    indexer: Indexer, requested: LedgerRange, chunk_ledgers: int, force: bool, allow_gap: bool
) -> BackfillPlan:
    available, engine = indexer.available(requested), indexer.target.engine
    used = indexer.patience.retry(DATABASE, partial(in_use, engine))
    coverage = indexer.coverage() if used else Coverage()
    plan = plan_backfill(requested, available, coverage, chunk_ledgers, force)
    if not allow_gap:
        refuse_lost(requested, available, coverage)
    get_run_logger().info(
        f"{indexer.source.address} has ledgers {available.oldest}-{available.newest}; "
        f"of {requested}, {plan.covered:,} are covered; "
        f"{plan.ledgers:,} to index, in chunks of {chunk_ledgers:,}"
    )
    return plan


def _estimate(indexer: Indexer, plan: BackfillPlan, summary: PlanSummary) -> None:
    """Fetch and decode a few ledgers of the plan, and write none."""
    summary.plan = plan
    summary.concurrency = min(CONCURRENT_CHUNKS, len(plan.chunks))
    if plan.chunks:
        summary.probe = probe(indexer.pipeline(summary.add), plan.chunks[0], summary.stats)
    summary.finished = True


def _index(
    indexer: Indexer, plan: BackfillPlan, summary: RunSummary, chunks: FanOut | ChunkThreads
) -> None:
    """Have the chunks of the plan indexed, and before them what a node may have lost."""
    indexer.open_stream()
    progress = Progress("backfill-progress", plan.ledgers)
    lost = plan.lost
    if indexer.client is None:  # a lake was asked for its oldest object itself
        record_lost(indexer, lost, plan.oldest, summary.gaps)
        lost = []
    with summary.working():
        failed = chunks.run([*lost, *plan.chunks], progress)
    progress.tell(summary.ledgers)
    summary.finish(indexer.coverage())
    name_tokens(indexer)
    fail_on_failed_chunks(failed)


def _rest(plan: BackfillPlan, summary: RunSummary) -> str:
    """Say which ledgers the run still waits for."""
    rest = [part for chunk in plan.chunks for part in subtract(chunk, summary.written)]
    return f"ledgers {ranges_text(rest)}, which the source has"


if __name__ == "__main__":
    sys.exit(run_flow(backfill, sys.argv[1:]))
