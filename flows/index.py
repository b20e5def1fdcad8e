"""Index: from the end of coverage to the tip of the chain, then follow the tip for a while.

The main flow, run on a schedule. Each batch of ledgers passes through three tasks:

    fetch-events ──▶ fetch-transactions (one task run per chunk) ──▶ upsert-batch

Of whole ledgers, fetch-ledgers stands in place of the first two. They are in
`tasks/`, are started in `flows/harness/runner.py`, and follow each other as
`sorobanflow.pipeline` decides. Progress is the coverage in the database and nothing else.
"""

import sys
from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.documents import DEFAULT_NAME
from flows.harness.indexer import open_indexer
from flows.harness.live import LiveIndexing
from flows.harness.outcome import final_state
from flows.harness.parameters import STALL_S, Ledger, StallSeconds, Workers
from flows.harness.patience import patience
from flows.harness.run_page import conclude, name_run, range_text, tag_run
from flows.harness.sources import NodeSource, Settings
from flows.harness.terminal import run_flow
from flows.harness.unknown_tokens import name_tokens
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import LEDGERS_BEHIND_TIP
from sorobanflow.sources.rpc.planner import FetchPlan
from sorobanflow.sources.rpc.stats import RpcStats


# Never retried: a retry would find the gap recorded already, and end as Completed.
@flow(name="index", flow_run_name="index", persist_result=False, retries=0)
def index(
    start_ledger: Ledger | Literal["oldest", "latest"] | None = None,
    follow_s: Annotated[float, Field(ge=0, le=86_400)] = 0,
    batch_size: Annotated[int, Field(ge=1, le=100_000)] | None = None,
    max_workers: Workers | None = None,
    contract_ids: list[str] | None = None,
    topics: list[list[str]] | None = None,
    fetch_plan: FetchPlan = "auto",
    allow_gap: bool = False,
    stall_s: StallSeconds | None = STALL_S,
    max_lag_ledgers: Annotated[int, Field(ge=0)] | None = LEDGERS_BEHIND_TIP,
    source: NodeSource = "rpc",
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Index from the end of coverage to the tip of the chain.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`; writes every
    table. A second run does only what is new; a crash half-way loses the
    batches in flight, and the next run does them again.

    Args:
        start_ledger: First ledger of the stream: a number, "oldest" or "latest"
            (of the node). Empty: continue where coverage ends; the very first run
            starts 120 ledgers behind the tip. An earlier start extends the
            stream backwards; a later one changes nothing.
        follow_s: Seconds to follow the tip after reaching it.
        batch_size: Target number of events and transactions per database transaction.
            Empty: the block's, which adapts to the time that writing takes.
        max_workers: Maximum of concurrent calls to the node. Empty: the block's.
        contract_ids: Index only events of these contracts (C…, at most 5), and
            their transactions. Empty: everything.
        topics: Index only events with these topics: up to 5 alternatives, each
            a list of base64 ScVal, "*" or a last "**".
        fetch_plan: How to fetch transactions: "ledgers" (getTransactions),
            "hashes" (getTransaction, batched) or "auto".
        allow_gap: If the node no longer has an earlier start_ledger, record the missing
            ledgers as a gap instead of refusing the run. Ledgers that leave the node
            before they were indexed are always recorded; the run then ends as Incomplete.
        stall_s: Seconds without a committed batch after which the run fails, whatever it
            waits for: the node, the database, or the next ledger. A run with nothing to
            do fails too if the stream's newest ledger was stored that long ago, since
            the network closes a ledger every five seconds. Empty: never; for a
            recording, which has an end.
        max_lag_ledgers: How many ledgers the stream may lag behind the node at the end;
            with a larger lag the run ends as Incomplete. The default is ten minutes of
            ledgers, as far behind as a first run starts. Empty: any lag.
        source: What is read of the node: "rpc", its events and transactions, or "ledgers",
            its whole ledgers (getLedgers), proved by their hashes.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    summary = RunSummary(RpcStats())
    settings = Settings(
        rpc, database, contract_ids, topics, fetch_plan, batch_size, max_workers, source
    )
    try:
        with (
            patience(stall_s) as patient,
            open_indexer(settings, summary, patient) as indexer,
        ):
            tag_run(indexer)
            live = LiveIndexing(indexer, start_ledger, allow_gap, summary)
            name_run(f"index from {live.next_ledger}")
            live.catch_up()
            live.follow(follow_s)
            live.check_advance(stall_s)
            live.check_lag(max_lag_ledgers)
            name_tokens(indexer)
    finally:
        conclude("index", summary, f"index {_done(summary)}")
    return final_state(summary)


def _done(summary: RunSummary) -> str:
    """Say what a run indexed, for its name."""
    if summary.written:
        return range_text(summary.written)
    last = summary.coverage.newest
    return "nothing" if last is None else f"nothing after {last}"


if __name__ == "__main__":
    sys.exit(run_flow(index, sys.argv[1:]))
