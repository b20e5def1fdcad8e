"""Which ledgers an audit looks at, compares with the node, and repairs: pure arithmetic."""

from collections.abc import Iterable, Sequence
from typing import Literal

from sorobanflow.audit.unlike import Difference
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, clip, merge, single_ledgers
from sorobanflow.pipeline.retention import LEDGERS_OF_LAG
from sorobanflow.sources.source import Available
from sorobanflow.store.coverage import Coverage

Sample = int | Literal["all"]


def requested_range(
    start: int | None, end: int | None, available: Available, coverage: Coverage
) -> LedgerRange:
    """Return the ledgers to audit: as requested, else from the first that coverage or a gap
    names to the last that the stream should hold by now.

    Raises ConfigurationError if there are none, or the range ends above the node's newest ledger.
    """
    starts = [part.first for part in coverage.accounted[:1]]
    starts += [] if coverage.indexed_from is None else [coverage.indexed_from]
    first = start or min(starts, default=None)
    if first is None:
        raise ConfigurationError(
            "the stream holds no ledgers, so there is nothing to audit; index it first, "
            "or pass start_ledger"
        )
    newest = min(coverage.newest or available.newest, available.newest)
    last = end or max(newest, available.newest - LEDGERS_OF_LAG)
    if last > available.newest or first > last:
        raise ConfigurationError(
            f"the range {first} to {last} cannot be audited: its start must not be above its end, "
            f"nor its end above the node's newest ledger {available.newest}"
        )
    return LedgerRange(first, last)


def promised_from(start: int | None, coverage: Coverage) -> int:
    """Return the first ledger from which on a ledger that is not stored is missing.

    Before live indexing began, only what was backfilled is there, and nothing promised the rest.
    """
    return start or coverage.indexed_from or 0


def choose_sample(ranges: Sequence[LedgerRange], sample: Sample) -> list[LedgerRange]:
    """Choose evenly spaced ledgers, the oldest and the newest included, or all of them."""
    ledgers = [ledger for part in ranges for ledger in range(part.first, part.last + 1)]
    if sample == "all" or sample >= len(ledgers):
        return list(ranges)
    if sample == 1:
        return single_ledgers(ledgers[-1:])
    return single_ledgers(ledgers[(len(ledgers) - 1) * n // (sample - 1)] for n in range(sample))


def repair_order(
    missing: Iterable[LedgerRange],
    gaps: Iterable[LedgerRange],
    differences: Iterable[Difference],
    window: LedgerRange,
) -> list[LedgerRange]:
    """Return the ledgers to index that the node has, in the order in which it drops them.

    Recorded gaps are among them, if this node has them after all.
    """
    differing = single_ledgers(one.ledger for one in differences)
    return clip(merge((*missing, *gaps, *differing)), window)
