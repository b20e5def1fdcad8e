"""Backfill: a closed ledger range, in chunks, in this process or on Prefect's workers.

It runs beside live indexing: it indexes what coverage lacks of the range, and
neither moves nor waits for the live position. `sorobanflow.pipeline.backfill` plans
the chunks; `ChunkThreads` or `FanOut` has them indexed.
"""

import sys
from functools import partial

from prefect import get_run_logger
from prefect.client.schemas.objects import State

from flows.harness.anchor import check_stored_anchor
from flows.harness.chunk_threads import CONCURRENT_CHUNKS, ChunkThreads
from flows.harness.contract_names import ContractNames
from flows.harness.described_flow import described_flow
from flows.harness.fan_out import FanOut
from flows.harness.gaps import record_lost
from flows.harness.indexer import Indexer, in_use, open_indexer
from flows.harness.outcome import final_state
from flows.harness.patience import DATABASE, patience
from flows.harness.progress import Progress
from flows.harness.run_page import conclude, tag_run
from flows.harness.sources import Settings
from flows.harness.terminal import run_flow
from flows.parameters.backfill import Backfill
from sorobanflow.ledgers import ranges_text, subtract
from sorobanflow.pipeline.backfill import BackfillPlan, fail_on_failed_chunks, plan_backfill
from sorobanflow.pipeline.backfill_summary import FanOutSummary, PlanSummary
from sorobanflow.pipeline.probe import probe
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import refuse_lost
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Coverage


@described_flow(Backfill, name="backfill", flow_run_name="backfill {start_ledger}-{end_ledger}")
def backfill(given: Backfill) -> State[RunSummary]:
    """Plan the chunks of the range, and have them indexed, or estimate what that takes."""
    requested, dry_run, force = given.ledgers, given.dry_run, given.force
    settings = Settings(
        given.rpc,
        given.database,
        given.event_filter,
        max_workers=given.max_workers,
        source=given.source,
        anchor=given.trusted,
    )
    summary = _summary(dry_run, given.fan_out)
    try:
        with (
            patience(given.stall_s) as patient,
            open_indexer(settings, summary, patient, dry_run=dry_run) as indexer,
        ):
            tag_run(indexer)
            plan = _plan(indexer, given)
            if not (force or dry_run):
                check_stored_anchor(indexer, settings.anchor)
            if isinstance(summary, PlanSummary):
                _estimate(indexer, plan, summary)
            elif isinstance(summary, FanOutSummary):
                _index(indexer, plan, summary, FanOut(indexer, settings, summary, given.stall_s))
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


def _plan(indexer: Indexer, given: Backfill) -> BackfillPlan:
    requested, chunk_ledgers = given.ledgers, given.chunk_ledgers
    available, engine = indexer.available(requested), indexer.target.engine
    used = indexer.patience.retry(DATABASE, partial(in_use, engine))
    coverage = indexer.coverage() if used else Coverage()
    plan = plan_backfill(requested, available, coverage, chunk_ledgers, given.force)
    if not (given.allow_gap or given.dry_run):
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
    ContractNames(indexer, summary).learn()
    fail_on_failed_chunks(failed)


def _rest(plan: BackfillPlan, summary: RunSummary) -> str:
    """Say which ledgers the run still waits for."""
    rest = [part for chunk in plan.chunks for part in subtract(chunk, summary.written)]
    return f"ledgers {ranges_text(rest)}, which the source has"


if __name__ == "__main__":
    sys.exit(run_flow(backfill, sys.argv[1:]))
