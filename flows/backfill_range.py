"""Backfill-range: one chunk of a backfill, as a run of its own on one of Prefect's workers."""

import sys
from functools import partial

from prefect.client.schemas.objects import State

from flows.harness.anchor import check_stored_anchor
from flows.harness.described_flow import described_flow
from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import open_indexer
from flows.harness.outcome import final_state
from flows.harness.patience import patience
from flows.harness.run_page import conclude, tag_run
from flows.harness.sources import Settings
from flows.harness.terminal import run_flow
from flows.parameters.backfill import BackfillRange
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import refuse_lost
from sorobanflow.sources.rpc.stats import RpcStats


@described_flow(
    BackfillRange, name="backfill-range", flow_run_name="backfill-range {start_ledger}-{end_ledger}"
)
def backfill_range(given: BackfillRange) -> State[RunSummary]:
    """Index the missing ledgers of the chunk, waiting with patience for what is away."""
    chunk, anchor = given.ledgers, given.trusted
    settings = Settings(
        given.rpc,
        given.database,
        given.event_filter,
        max_workers=given.max_workers,
        source=given.source,
        anchor=anchor,
    )
    summary = RunSummary(RpcStats())
    try:
        with (
            patience(given.stall_s) as patient,
            open_indexer(settings, summary, patient) as indexer,
        ):
            tag_run(indexer)
            if not given.allow_gap:
                refuse_lost(chunk, indexer.available(chunk), indexer.coverage())
            check_stored_anchor(indexer, anchor)
            indexer.open_stream()
            index = partial(
                index_or_record_gaps, indexer, indexer.pipeline(summary.add), chunk, summary.gaps
            )
            with summary.working():
                patient.retry(f"ledgers {chunk}, which the source has", index)
            summary.finish(indexer.coverage())
    finally:
        conclude("backfill-range", summary, f"backfill-range {chunk}")
    return final_state(summary)


if __name__ == "__main__":
    sys.exit(run_flow(backfill_range, sys.argv[1:]))
