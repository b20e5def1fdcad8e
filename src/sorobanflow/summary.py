"""What a run did, as figures a person can read: for the terminal and the UI."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sorobanflow.ledgers import LedgerRange, merge
from sorobanflow.rpc.stats import RpcStats
from sorobanflow.store.coverage import Coverage
from sorobanflow.store.pool import PoolStats


class Summary(Protocol):
    """What every flow says at its end, in the terminal and in an artifact."""

    @property
    def exit_code(self) -> int:
        """What a script is told: 0 where all is well."""

    def headline(self) -> str:
        """One sentence: what was done."""

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""


@dataclass
class RunSummary:
    """Counts of one run, filled while it goes on.

    Attributes:
        stats: The client's counts.
        written: Ledger ranges that this run stored; ascending, disjoint.
        rows: Rows that this run stored, per table.
        gaps: Ranges that this run recorded as missing.
        behind: Ledgers of the node that the stream lacks at the end, if too many.
        seconds: Time spent working, without the waiting for new ledgers.
        coverage: What the stream holds now, as text.
        covered_ledgers: Number of ledgers that the stream holds now.
        finished: Whether the run came to its end.
        xdr_form: The form of XDR that the node was asked for, and why.
        batch_aims: What batches aimed at in the end, per pipeline.
        pool: What became of the database's connections.
    """

    stats: RpcStats
    written: list[LedgerRange] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    gaps: list[LedgerRange] = field(default_factory=list)
    behind: int = 0
    seconds: float = 0.0
    _watch: float | None = None
    coverage: str = "none"
    covered_ledgers: int = 0
    finished: bool = False
    xdr_form: str = ""
    batch_aims: list[int] = field(default_factory=list)
    pool: PoolStats | None = None

    def add(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        """Take in a committed batch."""
        self.written = merge((*self.written, ledgers))
        self.rows.update(rows)
        self._tick()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time within as work."""
        self._watch = time.monotonic()
        try:
            yield
        finally:
            self._tick()
            self._watch = None

    def _tick(self) -> None:
        now = time.monotonic()
        if self._watch is not None:
            self.seconds += now - self._watch
            self._watch = now

    def take_stock(self, coverage: Coverage) -> None:
        """Note what the stream holds at the end."""
        self.coverage = str(coverage)
        self.covered_ledgers = coverage.count
        self.finished = True

    @property
    def ledgers(self) -> int:
        """Number of ledgers that this run stored."""
        return sum(part.size for part in self.written)

    @property
    def left_out(self) -> list[str]:
        """What this run left out, for a person; what earlier ones left is not its fault."""
        bad = self.rows["quarantine"]
        parts = [f"ledgers {ranges_text(self.gaps)} recorded as a gap"] if self.gaps else []
        parts += [f"items in quarantine: {bad:,}"] if bad else []
        parts += [f"ledgers behind the node: {self.behind:,}"] if self.behind else []
        return parts

    @property
    def complete(self) -> bool:
        """Whether the run left nothing out."""
        return not self.left_out

    @property
    def exit_code(self) -> int:
        """What a script is told: 0 if nothing was left out, else 1."""
        return int(not self.complete)

    def per_second(self, table: str) -> float:
        """Rows of a table per second of work."""
        return self.rows[table] / self.seconds if self.seconds else 0.0

    def headline(self) -> str:
        """One sentence: what was indexed."""
        if not self.written and not self.finished:
            return "stopped before anything was indexed"
        if not self.written and self.gaps:
            return f"nothing indexed: the node no longer has ledgers {ranges_text(self.gaps)}"
        if not self.written:
            return f"nothing new: ledgers {self.coverage} were covered already"
        ranges = ranges_text(self.written)
        noun = "ledger" if self.ledgers == 1 else "ledgers"
        early = "" if self.finished else "stopped early: "
        return (
            f"{early}indexed {self.ledgers} {noun} ({ranges}): {self.rows['transactions']} "
            f"transactions and {self.rows['events']} events in {self.seconds:.1f} s"
        )

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        calls = self.stats.snapshot().values()
        lines = [(f"rows: {name}", f"{count:,}") for name, count in self.rows.items()]
        lines += [
            ("ledgers, this run", f"{self.ledgers:,}"),
            ("transactions per second", f"{self.per_second('transactions'):,.0f}"),
            ("events per second", f"{self.per_second('events'):,.0f}"),
            ("RPC calls", f"{sum(stats.calls for stats in calls):,}"),
            ("retries", f"{sum(stats.retries for stats in calls):,}"),
            ("breaker trips", f"{sum(stats.trips for stats in calls):,}"),
            ("calls at once", str(self.stats.pace())),
            ("XDR form", self.xdr_form),
        ]
        if self.batch_aims:
            aims = ", ".join(f"{aim:,}" for aim in self.batch_aims)
            lines.append(("events and transactions per batch, in the end", aims))
        lines += self.pool.table() if self.pool else []
        if self.finished:
            lines.append(("ledgers covered", f"{self.covered_ledgers:,} ({self.coverage})"))
        lines += [("gap recorded", str(part)) for part in self.gaps]
        return lines


def ranges_text(parts: Iterable[LedgerRange]) -> str:
    """Name ranges in one line, joined where they meet; of many, those at both ends."""
    return str(Coverage(tuple(merge(parts))))
