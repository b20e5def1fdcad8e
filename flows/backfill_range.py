"""Backfill-range: one chunk of a backfill, as a run of its own on some worker.

    python -m flows.backfill_range RUN_ID

carries out a run that exists already, and ends when its standard input does.
"""

import sys
from uuid import UUID

from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.flow_engine import run_flow

from blocks.documents import DEFAULT_NAME
from flows.indexer import Settings, open_indexer
from flows.leash import end_with_starter
from flows.outcome import final_state, index_closed_range
from flows.parameters import Ledger, Workers
from flows.run_page import conclude, tag_run
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rpc.stats import RpcStats
from sorobanflow.store.coverage import open_stream, read_coverage
from sorobanflow.summary import RunSummary
from tasks.policy import quiet_task_runs


@flow(
    name="backfill-range",
    flow_run_name="backfill-range {start_ledger}-{end_ledger}",
    validate_parameters=True,
    persist_result=False,
    retries=0,
)
def backfill_range(
    start_ledger: Ledger,
    end_ledger: Ledger,
    contract_ids: list[str] | None = None,
    topics: list[list[str]] | None = None,
    max_workers: Workers | None = None,
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Index what coverage lacks of one chunk; `backfill` starts these runs.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`; writes every
    table. A second run, even one side by side, does what is missing and
    otherwise changes nothing; a crash loses the batches in flight.

    Args:
        start_ledger: First ledger of the chunk.
        end_ledger: Last ledger of the chunk; the node has to have it already.
        contract_ids: Index only events of these contracts (C…, at most 5), and
            their transactions. Empty: everything.
        topics: Index only events with these topics: up to 5 alternatives, each
            a list of base64 ScVal, "*" or a last "**".
        max_workers: Calls to the node at once. Empty: the block's.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    chunk = LedgerRange(start_ledger, end_ledger)
    settings = Settings(rpc, database, contract_ids, topics, "auto", None, max_workers)
    summary = RunSummary(RpcStats())
    try:
        with open_indexer(settings, summary) as indexer:
            tag_run(indexer)
            target = indexer.target
            open_stream(target.engine, target.stream)
            with summary.working():
                pipeline = indexer.pipeline(summary.add)
                summary.gaps += index_closed_range(indexer, pipeline, chunk, force=False)
            summary.take_stock(read_coverage(target.engine, target.stream.name))
    finally:
        conclude("backfill-range", summary, f"backfill-range {chunk}")
    return final_state(summary)


def carry_out(run_id: UUID) -> int:
    """Carry out a run that somebody else made; gives the exit code.

    A run is begun once: its first process may live still. The second would say
    what the first does, and end as it does not.
    """
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
    if run.state is None or not run.state.is_scheduled():
        print(f"run {run_id} was begun before", file=sys.stderr)
        return 1
    quiet_task_runs()
    state = run_flow(backfill_range, run, return_type="state")
    assert isinstance(state, State)
    return 0 if state.is_completed() else 1


if __name__ == "__main__":
    end_with_starter()
    sys.exit(carry_out(UUID(sys.argv[1])))
