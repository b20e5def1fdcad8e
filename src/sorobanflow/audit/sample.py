"""Which of the covered ledgers an audit compares with the node, and in which portions.

Invariant: the same ledgers for the same question; as the node's window moves,
other ledgers come up by themselves.
"""

from collections.abc import Sequence
from typing import Literal

from sorobanflow.ledgers import LedgerRange, merge

Sample = int | Literal["all"]

#: Ledgers compared in one go: some 4000 transactions on a busy network.
PORTION_LEDGERS = 20


def choose(covered: Sequence[LedgerRange], sample: Sample) -> list[LedgerRange]:
    """Choose ledgers: evenly spaced from the oldest to the newest, both included, or all.

    Args:
        covered: Where to choose from; ascending, disjoint.
        sample: How many; "all" or more than there are: each.
    """
    count = sum(part.size for part in covered)
    if sample == "all" or sample >= count:
        return list(covered)
    if sample == 1:
        return [LedgerRange(covered[-1].last, covered[-1].last)]
    numbers = [(count - 1) * n // (sample - 1) for n in range(sample)]
    return merge(LedgerRange(ledger, ledger) for ledger in _at(covered, numbers))


def portions(ledgers: Sequence[LedgerRange]) -> list[LedgerRange]:
    """Cut ranges into portions of at most `PORTION_LEDGERS`, in their order."""
    return [
        LedgerRange(first, min(first + PORTION_LEDGERS - 1, part.last))
        for part in ledgers
        for first in range(part.first, part.last + 1, PORTION_LEDGERS)
    ]


def _at(covered: Sequence[LedgerRange], numbers: Sequence[int]) -> list[int]:
    """Find the ledgers that stand at these places, counted from 0; both ascending."""
    found: list[int] = []
    before = 0
    for part in covered:
        here = [number for number in numbers if before <= number < before + part.size]
        found += [part.first + number - before for number in here]
        before += part.size
    return found
