"""Choose how many ledgers a batch holds.

Each pipeline has a sizer of its own. Invariant: a batch aims at no more than its bounds;
a single ledger may exceed them, since ledgers are never split.
"""

from dataclasses import dataclass

from sorobanflow.errors import ConfigurationError

#: One getEvents call scans this many ledgers at most.
LARGEST_BATCH = 10_000
#: A batch grows by this factor at most over what was measured.
GROWTH = 4
#: Ledgers of the first batch, of which nothing is known: a node's is cut by its events, too. Whole
#: ledgers are not, and 16 full ones would be read by one process, before any others start.
FIRST_BATCH, FIRST_WHOLE_LEDGERS = 16, 1
#: Bytes of whole ledgers that are decompressed and searched while one item is decoded.
SEARCHED_PER_ITEM = 32 * 2**10
#: Seconds that writing a batch should take: its tasks cost little then, and a crash loses little.
WRITE_S = 0.8


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """Bounds of the number of items (events and transactions) that a batch aims at."""

    start: int
    min_items: int
    max_items: int
    max_bytes: int = 32 * 2**20  # of XDR; takes some five times of that in memory

    def __post_init__(self) -> None:
        if not 1 <= self.min_items <= self.start <= self.max_items:
            raise ConfigurationError(
                f"min_batch_size {self.min_items}, batch_size {self.start} and max_batch_size "
                f"{self.max_items} must be in ascending order and at least 1"
            )


class BatchSizer:
    """Chooses the number of ledgers of a batch from what the last ones held and took to write.

    `first`: ledgers of the first one.
    """

    def __init__(self, bounds: BatchBounds, first: int = FIRST_BATCH) -> None:
        self._bounds = bounds
        self._held: tuple[float, float] | None = None
        self._largest = first / GROWTH
        self.target = bounds.start

    @property
    def is_growing(self) -> bool:
        """Whether batches are smaller than what they hold allows, until larger ones are seen."""
        return self._largest * GROWTH < self._allowed

    def expected_items(self, ledgers: int) -> float:
        """Items that so many ledgers may hold; bytes that are only searched count as some."""
        if self._held is None:
            return 0.0
        items, size_bytes = self._held
        return max(items, size_bytes / SEARCHED_PER_ITEM) * ledgers

    def next_size(self) -> int:
        """Number of ledgers for the next batch, at least 1."""
        return max(1, round(min(self._largest * GROWTH, self._allowed)))

    @property
    def _allowed(self) -> float:
        """Ledgers that the bounds allow, if they hold what the last ones held."""
        if self._held is None:
            return LARGEST_BATCH
        items, size_bytes = self._held
        by_items = self.target / max(items, 1 / LARGEST_BATCH)
        return min(LARGEST_BATCH, by_items, self._bounds.max_bytes / max(size_bytes, 1.0))

    def learn(self, ledgers: int, items: int, size_bytes: int) -> None:
        """Record what a batch held; recent batches weigh most."""
        measured = items / ledgers, size_bytes / ledgers
        if self._held is not None:
            old_items, old_bytes = self._held
            measured = (old_items + measured[0]) / 2, (old_bytes + measured[1]) / 2
        self._held = measured
        self._largest = ledgers

    def wrote(self, items: int, seconds: float) -> None:
        """Adjust the target so that a write takes `WRITE_S`, at most by a factor of two.

        Batches under half the target are ignored.
        """
        if 2 * items < self.target or seconds <= 0:
            return
        factor = min(2.0, max(0.5, WRITE_S / seconds))
        target = min(items, self.target) * factor
        self.target = round(min(self._bounds.max_items, max(self._bounds.min_items, target)))
