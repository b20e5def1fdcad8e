"""Decide which ledgers to index next, and how many to a batch.

Pure arithmetic between what was asked for, what the node has and what is
covered; the flows call it and act. Nothing here remembers progress.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from sorobanflow.errors import (
    ConfigurationError,
    LedgerOutsideRetentionError,
    NodeBehindError,
)
from sorobanflow.ledgers import LAST_LEDGER, LedgerRange, subtract
from sorobanflow.rpc.wire import Health
from sorobanflow.store.coverage import Coverage

Start = int | Literal["oldest", "latest"] | None

#: Where a first run starts when nobody says, and how far a node may lag: ten minutes.
LEDGERS_BEHIND_TIP = 120
#: One getEvents call scans this many ledgers at most.
LARGEST_BATCH = 10_000
#: A batch grows by this factor at most over what was measured.
GROWTH = 4
#: Ledgers of the first batch: nothing is known of what they hold, so it is also cut by its events.
FIRST_BATCH = 16
#: Seconds that writing a batch should take: what a batch costs in any case, its tasks above all,
#: is little then, and a crash loses little.
WRITE_S = 0.8


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


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """What a batch may hold; items are its events and transactions.

    Attributes:
        start: Items to aim at first.
        least: Items that the aim never falls below.
        most: Items that the aim never rises above.
        most_bytes: Bytes of the node's answers; some five times of that in memory.
    """

    start: int
    least: int
    most: int
    most_bytes: int = 32 * 2**20

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.start <= self.most:
            raise ConfigurationError(
                f"batch sizes are at least {self.least}, first {self.start} and at most "
                f"{self.most}; wanted in ascending order, from 1 on"
            )


class BatchSizer:
    """Chooses the number of ledgers of a batch from what the last ones held and took to write.

    A single ledger may exceed every bound: it is never split.
    """

    def __init__(self, bounds: BatchBounds) -> None:
        self._bounds = bounds
        self._held: tuple[float, float] | None = None
        self._largest = FIRST_BATCH // GROWTH
        self.target = bounds.start

    @property
    def knows(self) -> bool:
        """Whether it has seen a batch."""
        return self._held is not None

    def expected_items(self, ledgers: int) -> float:
        """Items that so many ledgers may hold."""
        return self._held[0] * ledgers if self._held else 0.0

    def next_size(self) -> int:
        """Number of ledgers for the next batch, at least 1."""
        size = float(min(self._largest * GROWTH, LARGEST_BATCH))
        if self._held is not None:
            items, size_bytes = self._held
            size = min(size, self.target / max(items, 1 / LARGEST_BATCH))
            size = min(size, self._bounds.most_bytes / max(size_bytes, 1.0))
        return max(1, round(size))

    def learn(self, ledgers: int, items: int, size_bytes: int) -> None:
        """Take in what a batch held; recent batches weigh most."""
        measured = items / ledgers, size_bytes / ledgers
        if self._held is not None:
            old_items, old_bytes = self._held
            measured = (old_items + measured[0]) / 2, (old_bytes + measured[1]) / 2
        self._held = measured
        self._largest = ledgers

    def wrote(self, items: int, seconds: float) -> None:
        """Take in how long a batch took to write: the aim moves towards `WRITE_S`.

        At most twofold a batch; what a batch far below the aim takes says nothing.
        """
        if 2 * items < self.target or seconds <= 0:
            return
        factor = min(2.0, max(0.5, WRITE_S / seconds))
        aim = min(items, self.target) * factor
        self.target = round(min(self._bounds.most, max(self._bounds.least, aim)))
