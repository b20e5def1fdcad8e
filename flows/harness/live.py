"""Live indexing: what is missing up to the tip, again and again, until it is time to stop.

Carries out the flow `index`; `sorobanflow.pipeline.work` computes what is missing.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

from prefect import get_run_logger

from flows.harness.gaps import index_known_gaps, index_or_record_gaps
from flows.harness.indexer import Indexer
from flows.harness.patience import LEDGERS
from flows.harness.progress import Progress
from flows.harness.stall import fail_on_stalled_stream, next_ledger_text
from flows.harness.turn import Turn
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
from sorobanflow.sources.source import Available

#: A catch-up shorter than this has reached the tip; after a longer one, look again.
CAUGHT_UP_S = 60.0
#: Seconds between two looks at the tip that is followed.
POLL_S = 1.0


class LiveIndexing:
    """One run of live indexing; opens the stream, takes it over, and fills the summary.

    `run` is the id of a scheduled run; None: it was started by hand.

    `next_ledger` is the oldest that was missing when it began, else the next one to close.

    Raises:
        LedgerOutsideRetentionError: the node no longer has the start.
        ConfigurationError: the node does not have the start yet.
    """

    def __init__(
        self,
        indexer: Indexer,
        start: Start,
        allow_gap: bool,
        summary: RunSummary,
        run: str | None = None,
    ) -> None:
        self._indexer = indexer
        self._turn = Turn(indexer, run)
        self._pipeline = indexer.pipeline(self._written)
        self._progress = Progress("index-progress")
        self._summary = summary
        self._first = indexer.patience.retry(LEDGERS, lambda: self._open(start, allow_gap))
        self._turn.take()

    def catch_up(self) -> None:
        """Index what is missing up to the node's newest ledger, then what it has of old gaps."""
        while self._index_missing() > CAUGHT_UP_S and not self._turn.is_over():
            continue
        if self._before.gaps:
            self._index_known_gaps()
        self._take_stock()

    def follow(self, seconds: float, *each_time: Callable[[], object]) -> None:
        """Index new ledgers as they close, until another run takes over."""
        until = time.monotonic() + seconds
        if seconds:
            self._progress.follow(seconds)
        while time.monotonic() < until and not self._turn.is_over():
            time.sleep(min(POLL_S, seconds))
            self._index_missing()
            for step in each_time:
                step()
        self._take_stock()

    def check_advance(self, stall_s: float | None) -> None:
        """Fail if neither this run nor one of the last `stall_s` seconds had anything to do."""
        fail_on_stalled_stream(self._indexer, self._summary, stall_s, self._index_missing)
        self._take_stock()

    def check_lag(self, max_ledgers: int | None) -> None:
        """Note in the summary how many ledgers the stream lags behind the node, if too many.

        If another run has taken over, what is left is its work.
        """
        if max_ledgers is None or self._turn.is_over():
            return
        work = self._missing(self._indexer.available())
        lag = sum(part.size for part in (*work.todo, *work.lost))
        if lag > max_ledgers:
            self._summary.lag = lag
            get_run_logger().warning(
                f"the stream lags {lag:,} ledgers behind the node; max_lag_ledgers is "
                f"{max_ledgers:,}"
            )

    def _open(self, start: Start, allow_gap: bool) -> int:
        """Open the stream; gives its first ledger."""
        available, coverage = self._indexer.available(), self._indexer.coverage()
        self._before = coverage
        get_run_logger().info(
            f"{self._indexer.source.address} has ledgers "
            f"{available.oldest}-{available.newest}; "
            f"stream {self._indexer.target.stream.name} covers {coverage}"
        )
        first = first_ledger(start, available, coverage)
        if not allow_gap:
            refuse_lost_start(start, first, available, coverage)
        self._indexer.open_stream(first)
        if start is None and coverage.indexed_from is None:
            get_run_logger().info(
                f"first run: starts a little behind the tip, at ledger {first}; "
                "set start_ledger to start earlier"
            )
        work = work_to_do(first, available, coverage)
        parts = [*work.lost, *work.todo]
        self.next_ledger = parts[0].first if parts else (coverage.newest or 0) + 1
        return first

    def _index_missing(self) -> float:
        """Index what is missing now; gives the seconds that it took."""
        began = time.monotonic()
        patience, available = self._indexer.patience, self._indexer.available()
        work = self._missing(available)
        patience.waits_for = lambda: next_ledger_text(available)
        waits_for = f"ledgers {ranges_text(work.todo)}, which the node has"
        self._progress.ledgers = self._summary.ledgers + sum(part.size for part in work.todo)
        for ledgers in (*work.lost, *work.todo):
            index = partial(
                index_or_record_gaps, self._indexer, self._pipeline, ledgers, self._summary.gaps
            )
            with self._summary.working():
                patience.retry(waits_for, index)
        return time.monotonic() - began

    def _index_known_gaps(self) -> None:
        """Index gaps of earlier runs that the node says it has."""
        gaps = gaps_to_try(self._first, self._indexer.available(), self._before)
        waits_for = f"ledgers {ranges_text(gaps)}, gaps that the node says it has"
        self._indexer.patience.waits_for = lambda: waits_for
        with self._summary.working():
            index_known_gaps(self._indexer, self._pipeline, gaps)

    def _written(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        summary = self._summary
        summary.add(ledgers, rows)
        if self._turn.is_over():
            self._pipeline.end()
        transactions, events = summary.rows["transactions"], summary.rows["events"]
        figures = (
            f"at ledger {ledgers.last}, {summary.per_second(transactions):,.0f} transactions/s, "
            f"{summary.per_second(events):,.0f} events/s"
        )
        self._progress.show(summary.ledgers, figures)

    def _take_stock(self) -> None:
        self._progress.close(self._summary.ledgers)
        self._summary.finish(self._indexer.coverage())

    def _missing(self, available: Available) -> Work:
        return work_to_do(self._first, available, self._indexer.coverage())
