"""Index: from the end of coverage to the tip of the chain, then follow the tip for a while.

The main flow, run on a schedule. Each batch of ledgers passes through three tasks:

    fetch-events ──▶ fetch-transactions (one task run per chunk) ──▶ upsert-batch

Of whole ledgers, fetch-ledgers stands in place of the first two. They are in
`tasks/`, are started in `flows/harness/runner.py`, and follow each other as
`sorobanflow.pipeline` decides. Progress is the coverage in the database and nothing else.
"""

import sys
from functools import partial

from prefect.client.schemas.objects import State

from flows.harness.alerts import StreamAlerts
from flows.harness.contract_names import ContractNames
from flows.harness.described_flow import described_flow
from flows.harness.indexer import open_indexer
from flows.harness.live import LiveIndexing
from flows.harness.outcome import final_state
from flows.harness.patience import patience
from flows.harness.run_page import conclude, name_run, range_text, tag_run
from flows.harness.sources import Settings
from flows.harness.terminal import run_flow
from flows.harness.turn import scheduled_run
from flows.parameters.index import Index
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.rpc.stats import RpcStats


@described_flow(Index, name="index", flow_run_name="index")
def index(given: Index) -> State[RunSummary]:
    """Catch up with the tip, follow it, and judge how far the stream is then."""
    summary, settings, run = RunSummary(RpcStats()), _settings(given), scheduled_run()
    alerts = StreamAlerts(settings, given.stall_s, given.max_lag_ledgers, scheduled=run is not None)
    try:
        with (
            alerts.of_failure(),
            patience(given.stall_s) as patient,
            open_indexer(settings, summary, patient) as indexer,
        ):
            tag_run(indexer)
            live = LiveIndexing(indexer, given.start_ledger, given.allow_gap, summary, run)
            name_run(f"index from {live.next_ledger}")
            live.catch_up()
            names = ContractNames(indexer, summary)
            judge = partial(alerts.judge_now_and_then, indexer)
            live.follow(given.follow_s, names.read_new, judge)
            live.check_advance(given.stall_s)
            live.check_lag(given.max_lag_ledgers)
            alerts.judge(indexer)
            names.learn()
    finally:
        conclude("index", summary, _name(summary))
    return final_state(summary)


def _settings(given: Index) -> Settings:
    return Settings(
        given.rpc,
        given.database,
        given.event_filter,
        given.fetch_plan,
        given.batch_size,
        given.max_workers,
        given.source,
    )


def _name(summary: RunSummary) -> str | None:
    """Name a run after what it indexed; None: it failed before, and keeps its name."""
    if summary.written:
        return f"index {range_text(summary.written)}"
    if not summary.finished:
        return None
    last = summary.coverage.newest
    return "index nothing" if last is None else f"index nothing after {last}"


if __name__ == "__main__":
    sys.exit(run_flow(index, sys.argv[1:]))
