"""Decide which ledgers to index next.

Pure arithmetic between what was asked for, what the node has and what is
covered; the flows call it and act. Nothing here remembers progress.
"""

from typing import Literal, NamedTuple

from sorobanflow.errors import (
    ConfigurationError,
    LedgerOutsideRetentionError,
    NodeBehindError,
)
from sorobanflow.ledgers import LAST_LEDGER, LedgerRange, subtract
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store.coverage import Coverage

Start = int | Literal["oldest", "latest"] | None

#: Where a first run starts when nobody says, and how far a node may lag: ten minutes.
LEDGERS_BEHIND_TIP = 120


class Work(NamedTuple):
    """What is missing: `todo` the node still has, `lost` it has not."""

    todo: list[LedgerRange]
    lost: list[LedgerRange]


def first_ledger(start: Start, node: Health, coverage: Coverage) -> int:
    """Give the ledger from which the stream is to be whole.

    A stream that runs keeps its first ledger, or moves it back to an earlier
    start; a later start never gives up what was promised before.

    Raises:
        ConfigurationError: the start is above the node's newest ledger.
        NodeBehindError: the node is far behind what the stream holds already.
    """
    promised = coverage.indexed_from
    if start is None and promised is not None:
        _check_not_behind(node, coverage)
        return promised
    wanted = _wanted(start, node)
    return wanted if promised is None else min(wanted, promised)


def _wanted(start: Start, node: Health) -> int:
    if start is None:
        return max(node.oldest_ledger, node.latest_ledger - LEDGERS_BEHIND_TIP, 1)
    if isinstance(start, str):
        return node.oldest_ledger if start == "oldest" else node.latest_ledger
    if start > node.latest_ledger:
        raise ConfigurationError(
            f"start_ledger {start} is above the node's newest ledger {node.latest_ledger}; "
            f"it has {node.oldest_ledger} to {node.latest_ledger}"
        )
    return start


def _check_not_behind(node: Health, coverage: Coverage) -> None:
    # A node that starts over, or a reset network of the same name, must not pass for "no news".
    newest = coverage.covered[-1].last if coverage.covered else 0
    if newest - node.latest_ledger > LEDGERS_BEHIND_TIP:
        raise NodeBehindError(newest, node.latest_ledger)


def refuse_lost_start(start: Start, first: int, node: Health, coverage: Coverage) -> None:
    """Refuse a start by number that the node no longer has, before anything is noted.

    Ledgers that the stream promised earlier do not count: nobody asks for them
    now, and they become a gap.

    Raises:
        LedgerOutsideRetentionError: the node has lost the start.
    """
    promised = LAST_LEDGER if coverage.indexed_from is None else coverage.indexed_from
    lost = [part for part in work_to_do(first, node, coverage).lost if part.first < promised]
    if isinstance(start, int) and lost:
        raise LedgerOutsideRetentionError(lost[0].first, node.oldest_ledger)


def work_to_do(first: int, node: Health, coverage: Coverage) -> Work:
    """Subtract what is covered, or a known gap, from `first` to the node's newest ledger."""
    if first > node.latest_ledger:
        return Work([], [])
    missing = subtract(LedgerRange(first, node.latest_ledger), coverage.accounted)
    oldest = node.oldest_ledger
    todo = [LedgerRange(max(m.first, oldest), m.last) for m in missing if m.last >= oldest]
    lost = [LedgerRange(m.first, min(m.last, oldest - 1)) for m in missing if m.first < oldest]
    return Work(todo, lost)
