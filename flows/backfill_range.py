"""Backfill-range: one chunk of a backfill, as a run of its own on one of Prefect's workers."""

import sys
from functools import partial

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.documents import DEFAULT_NAME
from flows.harness.anchor import check_stored_anchor, read_anchor
from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import open_indexer
from flows.harness.outcome import final_state
from flows.harness.parameters import STALL_S, Ledger, StallSeconds, Workers, ledger_range
from flows.harness.patience import patience
from flows.harness.run_page import conclude, tag_run
from flows.harness.sources import Settings
from flows.harness.terminal import run_flow
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import refuse_lost
from sorobanflow.sources.rpc.stats import RpcStats


@flow(
    name="backfill-range",
    flow_run_name="backfill-range {start_ledger}-{end_ledger}",
    persist_result=False,
    retries=0,
)
def backfill_range(
    start_ledger: Ledger,
    end_ledger: Ledger,
    contract_ids: list[str] | None = None,
    topics: list[list[str]] | None = None,
    max_workers: Workers | None = None,
    allow_gap: bool = False,
    stall_s: StallSeconds = STALL_S,
    source: str = "rpc",
    anchor: str | None = None,
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Index what coverage lacks of one chunk; `backfill` starts these runs.

    Reads the blocks `stellar-rpc` or `data-lake`, and `sorobanflow-database`;
    writes every table. A second run, even at the same time, indexes what is missing and
    changes nothing else; a crash loses the batches in flight.

    Args:
        start_ledger: First ledger of the chunk.
        end_ledger: Last ledger of the chunk; the source must have it already.
        contract_ids: Index only events of these contracts (C…, at most 5), and
            their transactions. Empty: everything.
        topics: Index only events with these topics: up to 5 alternatives, each
            a list of base64 ScVal, "*" or a last "**".
        max_workers: Maximum number of concurrent calls to the source. Empty: the block's.
        allow_gap: If the source no longer has ledgers of the chunk, record them as a gap
            instead of refusing the run; `backfill`, which has checked them, sets it.
        stall_s: Seconds without a committed batch after which the run fails, whatever it
            waits for: the source or the database.
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
    chunk = ledger_range(start_ledger, end_ledger)
    settings = Settings(
        rpc,
        database,
        contract_ids,
        topics,
        max_workers=max_workers,
        source=source,
        anchor=read_anchor(anchor, chunk),
    )
    summary = RunSummary(RpcStats())
    try:
        with (
            patience(stall_s) as patient,
            open_indexer(settings, summary, patient) as indexer,
        ):
            tag_run(indexer)
            if not allow_gap:
                refuse_lost(chunk, indexer.available(chunk), indexer.coverage())
            check_stored_anchor(indexer, settings.anchor)
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
