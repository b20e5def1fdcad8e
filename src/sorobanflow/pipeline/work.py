"""Decide which ledgers live indexing indexes next, and what may become a gap.

Backfills are planned in `backfill`.
Invariant: nothing here remembers progress; coverage does.
"""

from typing import Literal, NamedTuple

from sorobanflow.errors import LedgerOutsideRetentionError, NodeBehindError
from sorobanflow.ledgers import (
    LAST_LEDGER,
    LEDGERS_BEHIND_TIP,
    LedgerRange,
    clip,
    split,
    subtract,
)
from sorobanflow.sources.source import Available
from sorobanflow.store.coverage import Coverage

Start = int | Literal["oldest", "latest"] | None

#: How many parts of known gaps a run tries again, and the ledgers of a part.
MAX_GAPS, GAP_LEDGERS = 10, 100


class Work(NamedTuple):
    """What is missing: the source has `todo`; `lost`, it says, it no longer has."""

    todo: list[LedgerRange]
    lost: list[LedgerRange]


def first_ledger(start: Start, available: Available, coverage: Coverage) -> int:
    """Give the first ledger of the stream: it promises all from there on.

    An earlier start moves it back; a later one never gives up what was promised before.

    Raises:
        ConfigurationError: the start is above the node's newest ledger.
        NodeBehindError: the node is far behind what the stream holds already.
    """
    promised = coverage.indexed_from
    if start is None and promised is not None:
        # A reset network of the same name must not look as if there were nothing new.
        newest = coverage.newest or 0
        if newest - available.newest > LEDGERS_BEHIND_TIP:
            raise NodeBehindError(newest, available.newest)
        return promised
    wanted = _wanted(start, available)
    return wanted if promised is None else min(wanted, promised)


def _wanted(start: Start, available: Available) -> int:
    if start is None:
        return max(available.oldest, available.newest - LEDGERS_BEHIND_TIP, 1)
    if isinstance(start, str):
        return available.oldest if start == "oldest" else available.newest
    available.refuse_above("start_ledger", start)
    return start


def refuse_lost_start(start: Start, first: int, available: Available, coverage: Coverage) -> None:
    """Refuse a start by number that the node no longer has, before anything is stored.

    Ledgers that the stream promised earlier do not count: they become a gap.

    Raises:
        LedgerOutsideRetentionError: the node has lost the start.
    """
    promised = LAST_LEDGER if coverage.indexed_from is None else coverage.indexed_from
    if isinstance(start, int):
        refuse_lost(LedgerRange(first, promised - 1), available, coverage)


def refuse_lost(ledgers: LedgerRange, available: Available, coverage: Coverage) -> None:
    """Refuse a range of which the node no longer has a ledger that is neither covered nor a gap.

    Raises:
        LedgerOutsideRetentionError: names the first of them.
    """
    unknown = subtract(ledgers, coverage.accounted)
    if lost := clip(unknown, LedgerRange(0, available.oldest - 1)):
        raise LedgerOutsideRetentionError(lost[0].first, available.oldest)


def work_to_do(first: int, available: Available, coverage: Coverage) -> Work:
    """Subtract what is covered, or a known gap, from `first` to the node's newest ledger."""
    if first > available.newest:
        return Work([], [])
    missing = subtract(LedgerRange(first, available.newest), coverage.accounted)
    return Work(
        todo=clip(missing, LedgerRange(available.oldest, available.newest)),
        lost=clip(missing, LedgerRange(first, available.oldest - 1)),
    )


def gaps_to_try(first: int, available: Available, coverage: Coverage) -> list[LedgerRange]:
    """Give known gaps that the node says it has after all: it may have more history than before.

    The newest first, since a node that refuses one has none below it; bounded, so that a
    large gap does not keep a run from new ledgers.
    """
    known = coverage.gaps_in(LedgerRange(max(first, available.oldest), available.newest))
    return split(known, GAP_LEDGERS)[: -MAX_GAPS - 1 : -1]
