"""Backfill-range: one chunk of a backfill, as a run of its own on one of Prefect's workers."""

import sys

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.documents import DEFAULT_NAME
from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import Settings, open_indexer
from flows.harness.outcome import final_state
from flows.harness.parameters import Ledger, Workers
from flows.harness.run_page import conclude, tag_run
from flows.harness.terminal import run_flow
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import refuse_lost
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import open_stream, read_coverage


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
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Index what coverage lacks of one chunk; `backfill` starts these runs.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`; writes every
    table. A second run, even at the same time, indexes what is missing and
    changes nothing else; a crash loses the batches in flight.

    Args:
        start_ledger: First ledger of the chunk.
        end_ledger: Last ledger of the chunk; the node must have it already.
        contract_ids: Index only events of these contracts (C…, at most 5), and
            their transactions. Empty: everything.
        topics: Index only events with these topics: up to 5 alternatives, each
            a list of base64 ScVal, "*" or a last "**".
        max_workers: Maximum number of concurrent calls to the node. Empty: the block's.
        allow_gap: If the node no longer has ledgers of the chunk, record them as a gap
            instead of refusing the run; `backfill`, which has checked them, sets it.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    chunk = LedgerRange(start_ledger, end_ledger)
    settings = Settings(rpc, database, contract_ids, topics, max_workers=max_workers)
    summary = RunSummary(RpcStats())
    try:
        with open_indexer(settings, summary) as indexer:
            tag_run(indexer)
            target = indexer.target
            if not allow_gap:
                coverage = read_coverage(target.engine, target.stream.name)
                refuse_lost(chunk, indexer.source.client.get_health(), coverage)
            open_stream(target.engine, target.stream)
            with summary.working():
                pipeline = indexer.pipeline(summary.add)
                summary.gaps += index_or_record_gaps(indexer, pipeline, chunk)
            summary.finish(read_coverage(target.engine, target.stream.name))
    finally:
        conclude("backfill-range", summary, f"backfill-range {chunk}")
    return final_state(summary)


if __name__ == "__main__":
    sys.exit(run_flow(backfill_range, sys.argv[1:]))
