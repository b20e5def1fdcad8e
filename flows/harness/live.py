"""Live indexing: what is missing up to the tip, again and again, until it is time to stop.

Carries out the flow `index`; `sorobanflow.pipeline.work` computes what is missing.
"""

import time
from collections.abc import Mapping

from prefect import get_run_logger

from flows.harness.gaps import index_known_gaps, index_or_record_gaps
from flows.harness.indexer import Indexer
from flows.harness.progress import Progress
from flows.harness.stall import fail_on_stalled_stream, next_ledger_text
from sorobanflow.ledgers import LedgerRange, ranges_text
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.pipeline.work import (
    Start,
    Work,
    first_ledger,
    gaps_to_try,
    refuse_lost_start,
    work_to_do,
)
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store.coverage import open_stream, read_coverage

#: A catch-up shorter than this has reached the tip; after a longer one, look again.
CAUGHT_UP_S = 60.0
#: Seconds between two looks at the tip that is followed.
POLL_S = 1.0


class LiveIndexing:
    """One run of live indexing; opens the stream and fills the summary.

    Raises:
        LedgerOutsideRetentionError: the node no longer has the start.
        ConfigurationError: the node does not have the start yet.
    """

    def __init__(
        self, indexer: Indexer, start: Start, allow_gap: bool, summary: RunSummary
    ) -> None:
        self._indexer = indexer
        self._pipeline = indexer.pipeline(self._written)
        self._progress = Progress("index-progress")
        self._client = indexer.source.client
        self._engine, self._stream = indexer.target.engine, indexer.target.stream
        self._summary = summary
        self.waits_for = "the node to say which ledgers it has"
        self._first = self._open(start, allow_gap)

    def catch_up(self) -> None:
        """Index what is missing up to the node's newest ledger, then what it has of old gaps."""
        while self._index_missing() > CAUGHT_UP_S:
            continue
        if self._before.gaps:
            self._index_known_gaps()
        self._take_stock()

    def follow(self, seconds: float) -> None:
        """Index new ledgers as they close."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(POLL_S, seconds))
            self._index_missing()
        self._take_stock()

    def check_advance(self, stall_s: float | None) -> None:
        """Fail if neither this run nor one of the last `stall_s` seconds had anything to do."""
        fail_on_stalled_stream(
            self._indexer, self._summary, stall_s, self._index_missing, lambda: self.waits_for
        )
        self._take_stock()

    def check_lag(self, max_ledgers: int | None) -> None:
        """Note in the summary how many ledgers the stream lags behind the node, if too many."""
        if max_ledgers is None:
            return
        work = self._missing(self._client.get_health())
        lag = sum(part.size for part in (*work.todo, *work.lost))
        if lag > max_ledgers:
            self._summary.lag = lag
            get_run_logger().warning(
                f"the stream lags {lag:,} ledgers behind the node; max_lag_ledgers is "
                f"{max_ledgers:,}"
            )

    def _open(self, start: Start, allow_gap: bool) -> int:
        """Open the stream; gives its first ledger."""
        node = self._client.get_health()
        coverage = self._before = read_coverage(self._engine, self._stream.name)
        get_run_logger().info(
            f"{self._client.endpoint} has ledgers {node.oldest_ledger}-{node.latest_ledger}; "
            f"stream {self._stream.name} covers {coverage}"
        )
        first = first_ledger(start, node, coverage)
        if not allow_gap:
            refuse_lost_start(start, first, node, coverage)
        open_stream(self._engine, self._stream, first)
        if start is None and coverage.indexed_from is None:
            get_run_logger().info(
                f"first run: starts a little behind the tip, at ledger {first}; "
                "set start_ledger to start earlier"
            )
        return first

    def _index_missing(self) -> float:
        """Index what is missing now; gives the seconds that it took."""
        began = time.monotonic()
        node = self._client.get_health()
        work = self._missing(node)
        self.waits_for = (
            f"ledgers {ranges_text(work.todo)}, which the node has"
            if work.todo
            else next_ledger_text(node)
        )
        self._progress.ledgers = self._summary.ledgers + sum(part.size for part in work.todo)
        for ledgers in (*work.lost, *work.todo):
            with self._summary.working():
                gaps = index_or_record_gaps(self._indexer, self._pipeline, ledgers)
            self._summary.gaps += gaps
        return time.monotonic() - began

    def _index_known_gaps(self) -> None:
        """Index gaps of earlier runs that the node says it has."""
        gaps = gaps_to_try(self._first, self._client.get_health(), self._before)
        self.waits_for = f"ledgers {ranges_text(gaps)}, gaps that the node says it has"
        with self._summary.working():
            index_known_gaps(self._indexer, self._pipeline, gaps)

    def _written(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        summary = self._summary
        summary.add(ledgers, rows)
        transactions, events = summary.rows["transactions"], summary.rows["events"]
        figures = (
            f"at ledger {ledgers.last}, {summary.per_second(transactions):,.0f} transactions/s, "
            f"{summary.per_second(events):,.0f} events/s"
        )
        self._progress.show(summary.ledgers, figures)

    def _take_stock(self) -> None:
        self._progress.close(self._summary.ledgers)
        self._summary.finish(read_coverage(self._engine, self._stream.name))

    def _missing(self, node: Health) -> Work:
        return work_to_do(self._first, node, read_coverage(self._engine, self._stream.name))
