"""Index: from the end of coverage to the tip, then follow the tip for a while.

The main job, run on a schedule. Progress is the coverage in the database and
nothing else; the parts that index a range are in `pipeline`, what to index is
decided in `sorobanflow.pipeline.work`.
"""

import sys
import time
from collections.abc import Mapping
from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.documents import DEFAULT_NAME
from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import Indexer, Settings, open_indexer
from flows.harness.outcome import final_state
from flows.harness.parameters import Ledger, Workers
from flows.harness.progress import Progress
from flows.harness.run_page import conclude, range_text, tag_run
from flows.harness.stall import fail_on_stall, fail_on_still_chain, ledger_after
from flows.harness.terminal import run_flow
from sorobanflow.ledgers import LedgerRange, ranges_text
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import (
    LEDGERS_BEHIND_TIP,
    Start,
    Work,
    first_ledger,
    refuse_lost_start,
    work_to_do,
)
from sorobanflow.sources.rpc.fetch_plan import FetchPlan
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store.coverage import open_stream, read_coverage

#: A catch-up shorter than this has reached the tip; after a longer one, look again.
CAUGHT_UP_S = 60.0
#: Seconds between two looks at the tip that is followed.
POLL_S = 1.0


# Not retried, whatever the settings say: the second try would know the gap, and pass for whole.
@flow(
    name="index", flow_run_name="index", validate_parameters=True, persist_result=False, retries=0
)
def index(
    start_ledger: Ledger | Literal["oldest", "latest"] | None = None,
    follow_s: Annotated[float, Field(ge=0, le=86_400)] = 0,
    batch_size: Annotated[int, Field(ge=1, le=100_000)] | None = None,
    max_workers: Workers | None = None,
    contract_ids: list[str] | None = None,
    topics: list[list[str]] | None = None,
    fetch_plan: FetchPlan = "auto",
    allow_gap: bool = False,
    stall_s: Annotated[float, Field(ge=5, le=86_400)] | None = 300,
    max_lag_ledgers: Annotated[int, Field(ge=0)] | None = LEDGERS_BEHIND_TIP,
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Index from the end of coverage to the tip of the chain.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`; writes every
    table. A second run does only what is new; a crash half-way loses the
    batches in flight, and the next run does them again.

    Args:
        start_ledger: First ledger of the stream: a number, "oldest" or "latest"
            (of the node). Empty: go on where coverage ends; the very first run
            starts 120 ledgers behind the tip. An earlier start extends the
            stream backwards; a later one changes nothing.
        follow_s: Seconds to follow the tip after reaching it.
        batch_size: Events and transactions per database transaction to aim at.
            Empty: what the block says, and it follows the time that writing takes.
        max_workers: Calls to the node at once. Empty: the block's.
        contract_ids: Index only events of these contracts (C…, at most 5), and
            their transactions. Empty: everything.
        topics: Index only events with these topics: up to 5 alternatives, each
            a list of base64 ScVal, "*" or a last "**".
        fetch_plan: How to fetch transactions: "ledgers" (getTransactions),
            "hashes" (getTransaction, batched) or "auto".
        allow_gap: Record what the node no longer has of an earlier start_ledger
            as a gap, instead of refusing. What leaves the node before it was
            indexed is recorded in any case, and the run ends as Incomplete.
        stall_s: Seconds without a committed batch after which the run fails, whatever
            it waits for: answers, the database, or the next ledger. A run that has
            nothing to do fails too, if the stream's newest ledger was stored that long
            ago: a chain closes a ledger every five seconds. Empty: never, as for a
            recording, which has an end.
        max_lag_ledgers: Ledgers that the node may have and the stream lack at the end;
            with more, the run ends as Incomplete. The default is ten minutes, as far
            behind as a first run starts. Empty: any number.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    summary = RunSummary(RpcStats())
    settings = Settings(rpc, database, contract_ids, topics, fetch_plan, batch_size, max_workers)
    try:
        with open_indexer(settings, summary) as indexer:
            tag_run(indexer)
            run = _Run(indexer, start_ledger, allow_gap, summary)
            with fail_on_stall(indexer, summary, stall_s, run.waits_for):
                run.to_the_tip(follow_s)
            run.check_advance(stall_s)
            run.check_lag(max_lag_ledgers)
    finally:
        conclude("index", summary, f"index {_done(summary)}")
    return final_state(summary)


class _Run:
    """One run: asks what is missing up to the tip, and indexes it, until it is time to stop."""

    def __init__(
        self, indexer: Indexer, start: Start, allow_gap: bool, summary: RunSummary
    ) -> None:
        self._indexer = indexer
        self._pipeline = indexer.pipeline(self._written)
        self._progress = Progress("index-progress")
        self._client = indexer.source.client
        self._engine, self._stream = indexer.target.engine, indexer.target.stream
        self._start = start
        self._allow_gap = allow_gap
        self._summary = summary
        self._waits_for = "the node to say which ledgers it has"
        self._first = self._open()

    def to_the_tip(self, follow_s: float) -> None:
        """Catch up with the node's newest ledger, then follow it for `follow_s` seconds."""
        while self._catch_up():
            continue
        until = time.monotonic() + follow_s
        while time.monotonic() < until:
            time.sleep(min(POLL_S, follow_s))
            self._catch_up()
        self._take_stock()

    def check_advance(self, stall_s: float | None) -> None:
        """Fail if neither this run nor one of the last `stall_s` seconds had anything to do."""
        fail_on_still_chain(self._indexer, self._summary, stall_s, self._catch_up, self.waits_for)
        self._take_stock()

    def check_lag(self, most: int | None) -> None:
        """Note how many ledgers the node has by now that the stream lacks, if more than `most`."""
        if most is None:
            return
        behind = sum(
            part.size for parts in self._missing(self._client.get_health()) for part in parts
        )
        if behind > most:
            self._summary.behind = behind
            get_run_logger().warning(f"{behind:,} ledgers behind the node; allowed are {most:,}")

    def waits_for(self) -> str:
        """Say what the run is busy with."""
        return self._waits_for

    def _open(self) -> int:
        node = self._client.get_health()
        coverage = read_coverage(self._engine, self._stream.name)
        get_run_logger().info(
            f"{self._client.endpoint} has ledgers {node.oldest_ledger}-{node.latest_ledger}; "
            f"stream {self._stream.name} covers {coverage}"
        )
        first = first_ledger(self._start, node, coverage)
        if not self._allow_gap:
            refuse_lost_start(self._start, first, node, coverage)
        open_stream(self._engine, self._stream, first)
        if self._start is None and coverage.indexed_from is None:
            get_run_logger().info(
                f"first run: starting a little behind the tip, at ledger {first}; "
                "pass start_ledger to start earlier"
            )
        return first

    def _catch_up(self) -> bool:
        """Index what is missing now; whether to look again at once."""
        began = time.monotonic()
        node = self._client.get_health()
        work = self._missing(node)
        self._waits_for = (
            f"ledgers {ranges_text(work.todo)}, which the node has"
            if work.todo
            else ledger_after(node)
        )
        self._progress.ledgers = self._summary.ledgers + sum(part.size for part in work.todo)
        for ledgers in (*work.lost, *work.todo):
            with self._summary.working():
                gaps = index_or_record_gaps(self._indexer, self._pipeline, ledgers)
            self._summary.gaps += gaps
        return time.monotonic() - began > CAUGHT_UP_S

    def _written(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        summary = self._summary
        summary.add(ledgers, rows)
        figures = (
            f"at ledger {ledgers.last}, {summary.per_second('transactions'):,.0f} transactions/s, "
            f"{summary.per_second('events'):,.0f} events/s"
        )
        self._progress.show(summary.ledgers, figures)

    def _take_stock(self) -> None:
        self._progress.close(self._summary.ledgers)
        self._summary.finish(read_coverage(self._engine, self._stream.name))

    def _missing(self, node: Health) -> Work:
        return work_to_do(self._first, node, read_coverage(self._engine, self._stream.name))


def _done(summary: RunSummary) -> str:
    """Say what a run indexed, for its name."""
    if summary.written:
        return range_text(summary.written)
    last = summary.coverage.newest
    return "nothing" if last is None else f"nothing after {last}"


if __name__ == "__main__":
    sys.exit(run_flow(index, sys.argv[1:]))
