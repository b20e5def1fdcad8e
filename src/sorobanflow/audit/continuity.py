"""What a stream lacks of a ledger range, what the node still has of it, and for how long.

Pure arithmetic between coverage and the node's window. Invariant: each requested
ledger is covered, recorded as a gap, or missing.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sorobanflow.audit.agreement import Difference
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, clip, merge, subtract
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store.coverage import Coverage
from sorobanflow.texts import duration

#: The newest ledgers are left to live indexing, which runs every minute.
LEDGERS_OF_LAG = 12


class Continuity(NamedTuple):
    """What coverage lacks of a range; ascending, disjoint.

    Attributes:
        missing: Ledgers that are neither stored nor recorded as a gap.
        gaps: Ledgers that are recorded as a gap.
    """

    missing: list[LedgerRange]
    gaps: list[LedgerRange]


class RetentionClock(NamedTuple):
    """How long until the node drops the oldest ledger to repair.

    Attributes:
        ledger: That ledger; None: there is nothing to repair.
        oldest: The node's oldest ledger.
        seconds_per_ledger: Time between two closes; None: not known.
    """

    ledger: int | None
    oldest: int
    seconds_per_ledger: float | None

    @property
    def seconds_left(self) -> float | None:
        """Seconds left; None: nothing to repair, or the time between closes is not known."""
        if self.ledger is None or self.seconds_per_ledger is None:
            return None
        return (self.ledger - self.oldest) * self.seconds_per_ledger

    def __str__(self) -> str:
        if self.ledger is None:
            return "nothing to repair that the node still has"
        left = self.seconds_left
        time_left = "an unknown time" if left is None else duration(left)
        return f"{time_left} until ledger {self.ledger} leaves the node (oldest: {self.oldest})"


def requested_range(
    start: int | None, end: int | None, node: Health, coverage: Coverage
) -> LedgerRange:
    """Return the ledgers to audit: as requested, else all that the stream should hold by now.

    Raises:
        ConfigurationError: the range is empty or ends above the node's newest
            ledger, or the stream holds nothing and no start was given.
    """
    starts = [part.first for part in (*coverage.covered, *coverage.gaps)]
    first = start or coverage.indexed_from or min(starts, default=None)
    if first is None:
        raise ConfigurationError(
            "the stream holds no ledgers, so there is nothing to audit; index it first, "
            "or pass start_ledger"
        )
    newest = min(coverage.newest or node.latest_ledger, node.latest_ledger)
    last = end or max(newest, node.latest_ledger - LEDGERS_OF_LAG)
    if last > node.latest_ledger or first > last:
        raise ConfigurationError(
            f"the range {first} to {last} cannot be audited: its start must not be above its end, "
            f"nor its end above the node's newest ledger {node.latest_ledger}"
        )
    return LedgerRange(first, last)


def continuity(requested: LedgerRange, coverage: Coverage) -> Continuity:
    """Return what coverage lacks of a range."""
    gaps = [
        part for gap in clip(coverage.gaps, requested) for part in subtract(gap, coverage.covered)
    ]
    return Continuity(subtract(requested, coverage.accounted), gaps)


def repair_order(
    missing: Iterable[LedgerRange],
    gaps: Iterable[LedgerRange],
    differences: Iterable[Difference],
    window: LedgerRange,
) -> list[LedgerRange]:
    """Return the ledgers to index that the node has, in the order in which it drops them.

    Recorded gaps are among them, if this node has them after all. Ledgers with surplus
    rows only are not: indexing again removes nothing.
    """
    differing = (LedgerRange(one.ledger, one.ledger) for one in differences if one.missing)
    return clip(merge((*missing, *gaps, *differing)), window)
