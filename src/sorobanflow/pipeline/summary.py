"""What a run did, as figures a person can read: for the terminal and the UI."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sorobanflow.ledgers import LedgerRange, count_ledgers, merge, ranges_text
from sorobanflow.records import PoolStats
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Coverage
from sorobanflow.texts import count, size

#: Label and value of each line.
Lines = list[tuple[str, str]]


class Summary(Protocol):
    """What every flow says at its end, in the terminal and in an artifact."""

    @property
    def exit_code(self) -> int:
        """Exit code for scripts: 0 if nothing was left out, else 1."""

    def headline(self) -> str:
        """One sentence: what was done."""

    def brief(self) -> Lines:
        """The lines that a person looks at first, some of them not in `table`."""

    def table(self) -> Lines:
        """Label and value per line, for a person; see `sections` for what a colon means."""


@dataclass
class RunSummary:
    """Counts of one run, filled while it works.

    Attributes:
        written: Ledger ranges that this run stored; ascending, disjoint.
        rows: Rows that this run stored, per table.
        gaps: Ranges that this run recorded as gaps.
        lag: Ledgers of the node that the stream lacks at the end, if too many.
        seconds: Time spent working, without the waiting for new ledgers.
        coverage: What the stream holds at the end.
        batch_sizes: Target sizes of batches at the end, per pipeline.
    """

    stats: RpcStats
    written: list[LedgerRange] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    gaps: list[LedgerRange] = field(default_factory=list)
    lag: int = 0
    seconds: float = 0.0
    _counted_until: float | None = None
    coverage: Coverage = field(default_factory=Coverage)
    finished: bool = False
    batch_sizes: list[int] = field(default_factory=list)
    pool: PoolStats | None = None

    def add(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        """Add a committed batch."""
        self.written = merge((*self.written, ledgers))
        self.rows.update(rows)
        self._count_time()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time within as work."""
        self._counted_until = time.monotonic()
        try:
            yield
        finally:
            self._count_time()
            self._counted_until = None

    def _count_time(self) -> None:
        if self._counted_until is not None:
            now = time.monotonic()
            self.seconds += now - self._counted_until
            self._counted_until = now

    def finish(self, coverage: Coverage) -> None:
        """Note that the run reached its end, and what the stream holds there."""
        self.coverage = coverage
        self.finished = True

    @property
    def ledgers(self) -> int:
        """Number of ledgers that this run stored."""
        return count_ledgers(self.written)

    @property
    def left_out(self) -> list[str]:
        """What this run left out, for a person; what earlier runs left out does not count."""
        bad = self.rows["quarantine"]
        parts = [f"ledgers {ranges_text(self.gaps)} recorded as a gap"] if self.gaps else []
        parts += [f"items in quarantine: {bad:,}"] if bad else []
        parts += [f"ledgers behind the node: {self.lag:,}"] if self.lag else []
        return parts

    @property
    def complete(self) -> bool:
        """Whether the run left nothing out."""
        return not self.left_out

    @property
    def exit_code(self) -> int:
        """0 if nothing was left out, else 1."""
        return int(not self.complete)

    def per_second(self, number: int) -> float:
        """What a number of ledgers or rows is per second of work."""
        return number / self.seconds if self.seconds else 0.0

    def headline(self) -> str:
        """One sentence: what was indexed."""
        if self.written:
            early = "" if self.finished else "stopped early: "
            return (
                f"{early}indexed {count(self.ledgers, 'ledger')} ({ranges_text(self.written)}): "
                f"{self.rows['transactions']:,} transactions and {self.rows['events']:,} events "
                f"in {self.seconds:,.1f} s"
            )
        if not self.finished:
            return "stopped before anything was indexed"
        if self.gaps:
            return f"nothing indexed: the source does not have ledgers {ranges_text(self.gaps)}"
        return f"nothing new: ledgers {self.coverage} were covered already"

    def brief(self) -> Lines:
        """Health, what is stored now, and how fast it came."""
        lines = [("health", self.health)]
        if self.finished:
            lines.append(("ledgers covered", f"{self.coverage.count:,} ({self.coverage})"))
        if self.written:
            tables = {name: rows for name, rows in self.rows.items() if rows}
            rows = f"{sum(tables.values()):,} in {count(len(tables), 'table')}"
            lines += [("rows stored", rows), ("per second", self._rates())]
        return [*lines, ("fetched", self._calls())]

    def table(self) -> Lines:
        """How the run went, then the details in groups."""
        lines = [
            ("health", self.health),
            ("ledgers", f"{self.ledgers:,} ({ranges_text(self.written)})"),
            ("seconds of work", f"{self.seconds:,.1f}"),
            ("per second", self._rates()),
            ("gaps recorded", ranges_text(self.gaps)),
            ("items in quarantine", f"{self.rows['quarantine']:,}"),
            ("fetched", self._calls()),
            ("concurrent calls", self.stats.concurrency()),
        ]
        if self.batch_sizes:
            sizes = ", ".join(f"{size:,}" for size in self.batch_sizes)
            lines.append(("events and transactions per batch", sizes))
        if self.finished:
            lines.append(("ledgers covered", f"{self.coverage.count:,} ({self.coverage})"))
        lines += [
            (f"rows: {name}", f"{number:,}")
            for name, number in self.rows.items()
            if number and name != "quarantine"
        ]
        pool = self.pool.table() if self.pool else []
        return lines + [(f"connections: {label}", value) for label, value in pool]

    @property
    def health(self) -> str:
        """Whether anything was left out, and what."""
        if not self.finished:
            return "stopped early: what was committed stays, and the next run continues from there"
        return f"incomplete: {'; '.join(self.left_out)}" if self.left_out else "good"

    def _rates(self) -> str:
        ledgers, rows = self.per_second(self.ledgers), self.rows
        transactions, events = (self.per_second(rows[name]) for name in ("transactions", "events"))
        return f"{ledgers:,.1f} ledgers, {transactions:,.0f} transactions, {events:,.0f} events"

    def _calls(self) -> str:
        stats = self.stats
        return (
            f"{size(stats.size_bytes)} in {count(stats.calls, 'call')}, "
            f"{stats.retries:,} retries, {stats.trips:,} breaker trips"
        )


def sections(lines: Lines) -> list[tuple[str, Lines]]:
    """Group a summary's lines by what their labels begin with; the group without a title first.

    `rows: events` is in the group `rows`.
    """
    groups: dict[str, Lines] = {"": []}
    for label, value in lines:
        title, colon, name = label.partition(": ")
        groups.setdefault(title if colon else "", []).append((name if colon else label, value))
    return [(title, rows) for title, rows in groups.items() if rows]
