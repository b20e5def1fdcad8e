"""One look at a stream: what is missing, what differs, what is in quarantine, for how long.

An audit takes one look, and a second one after a repair. Reads the database; the
flow compares with the node beforehand. Invariant: a look without findings means that
the requested ledgers are whole, as far as they were compared.
"""

from typing import NamedTuple

from sqlalchemy import Engine

from sorobanflow.audit.agreement import Compared, Difference, Failure
from sorobanflow.audit.ranges import repair_order
from sorobanflow.audit.stored import Quarantined, quarantined
from sorobanflow.ledgers import LedgerRange, merge, single_ledgers, subtract
from sorobanflow.pipeline.retention import RetentionClock, seconds_per_ledger
from sorobanflow.store.coverage import read_coverage


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: missing, gap, differs, quarantine or failed.
        ledgers: Where.
        size: Number of ledgers, ids or items.
        detail: What exactly, for a person.
    """

    kind: str
    ledgers: LedgerRange
    size: int
    detail: str


class Look(NamedTuple):
    """What one look at a stream found.

    Attributes:
        missing: Ledgers neither stored nor recorded as a gap.
        gaps: Ledgers recorded as a gap.
        compared: Number of ledgers that were compared with the node.
        differences: Ledgers whose rows are not the node's.
        failures: Ledgers that could not be compared or repaired.
        quarantine: Items that could not be decoded.
        clock: How long until the first of the repairable ledgers leaves the node.
    """

    missing: list[LedgerRange]
    gaps: list[LedgerRange]
    compared: int
    differences: list[Difference]
    failures: list[Failure]
    quarantine: list[Quarantined]
    clock: RetentionClock

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings()

    @property
    def doubtful(self) -> list[LedgerRange]:
        """Ledgers that differ or failed: those to compare again after a repair."""
        differing = single_ledgers(one.ledger for one in self.differences)
        return merge([*differing, *(one.ledgers for one in self.failures)])

    def lines(self, max_findings: int) -> list[str]:
        """Describe the first findings and the retention clock, a line each; none if whole."""
        if self.whole:
            return []
        findings = self.findings()[:max_findings]
        lines = [
            f"{one.kind}: ledgers {one.ledgers}: {one.size:,}: {one.detail}" for one in findings
        ]
        return [*lines, f"retention clock: {self.clock}"]

    def findings(self) -> list[Finding]:
        """Return all findings, by kind and then by ledger."""
        return [
            *(Finding("missing", part, part.size, "not stored") for part in self.missing),
            *(Finding("gap", part, part.size, "recorded as a gap") for part in self.gaps),
            *(_of_difference(one) for one in self.differences),
            *(_of_quarantine(one) for one in self.quarantine),
            *(Finding("failed", one.ledgers, one.ledgers.size, one.error) for one in self.failures),
        ]


def look_at(
    engine: Engine, stream: str, requested: LedgerRange, window: LedgerRange, compared: Compared
) -> Look:
    """Look at what is stored of a stream.

    Args:
        engine: The database.
        stream: Name of the stream.
        requested: The ledgers that it should hold.
        window: The ledgers that the node has.
        compared: The result of comparing some of them with the node.
    """
    coverage = read_coverage(engine, stream)
    missing, gaps = subtract(requested, coverage.accounted), coverage.gaps_in(requested)
    repairable = repair_order(missing, gaps, compared.differences, window)
    first = repairable[0].first if repairable else None
    clock = RetentionClock(first, window.first, seconds_per_ledger(engine))
    return Look(
        missing,
        gaps,
        compared.ledgers,
        list(compared.differences),
        list(compared.failures),
        quarantined(engine, requested, stream),
        clock,
    )


def _of_difference(one: Difference) -> Finding:
    counts = [(one.missing, "missing here"), (one.surplus, "not on the node")]
    what = " and ".join(f"{count:,} {where}" for count, where in counts if count)
    detail = f"{one.kind}s: {what}, such as {', '.join(one.ids)}"
    ledgers = LedgerRange(one.ledger, one.ledger)
    return Finding("differs", ledgers, one.missing + one.surplus, detail)


def _of_quarantine(one: Quarantined) -> Finding:
    detail = f"{one.kind}s with {one.error_class}, the oldest since {one.oldest:%Y-%m-%d %H:%M} UTC"
    return Finding("quarantine", one.ledgers, one.items, detail)
