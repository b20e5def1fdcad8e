"""Choose the covered ledgers that an audit compares with the node.

Invariant: the same arguments give the same ledgers. As the node's window moves, other
ledgers are chosen.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Literal

from sorobanflow.ledgers import LedgerRange, merge

Sample = int | Literal["all"]


def choose(covered: Sequence[LedgerRange], sample: Sample) -> list[LedgerRange]:
    """Choose ledgers: evenly spaced from the oldest to the newest, both included, or all.

    Args:
        covered: Ledgers to choose from; ascending, disjoint.
        sample: Number of ledgers; "all" or more than there are: each of them.
    """
    ledgers = list(chain.from_iterable(range(part.first, part.last + 1) for part in covered))
    if sample == "all" or sample >= len(ledgers):
        return list(covered)
    if sample == 1:
        return [LedgerRange(ledgers[-1], ledgers[-1])]
    chosen = (ledgers[(len(ledgers) - 1) * n // (sample - 1)] for n in range(sample))
    return merge(LedgerRange(ledger, ledger) for ledger in chosen)
