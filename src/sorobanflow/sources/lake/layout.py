"""The keys of a data lake's objects: which one holds a ledger, which ledgers one holds.

Pure. Keys sort by their bytes with the newest ledgers first. Source: SEP-54 v0.2.0.
"""

import re
from typing import NamedTuple

from sorobanflow.ledgers import LedgerRange

#: The ending of objects, and the one that older stores have.
SUFFIX, OLDER_SUFFIX = ".xdr.zst", ".xdr.zstd"
_MAX_UINT32 = 0xFFFF_FFFF
_BATCH = re.compile(r"(?:[^/]{1,40}/)?[0-9A-F]{8}--(\d{1,10})")


class Layout(NamedTuple):
    """How ledgers are laid out: in batches, one an object, and batches in partitions."""

    ledgers_per_batch: int
    batches_per_partition: int
    suffix: str = SUFFIX

    def key(self, ledger: int) -> str:
        """Give the key of the object that holds a ledger."""
        batch = _around(ledger, self.ledgers_per_batch)
        name = f"{_name(batch, single=self.ledgers_per_batch == 1)}{self.suffix}"
        if self.batches_per_partition == 1:
            return name
        partition = _around(ledger, self.ledgers_per_batch * self.batches_per_partition)
        return f"{_name(partition)}/{name}"

    def ledgers(self, key: str) -> LedgerRange | None:
        """Give the ledgers of an object; None if no object of this layout has the key."""
        start = _BATCH.match(key)
        if start is None:
            return None
        first = int(start[1])
        batch = _around(first, self.ledgers_per_batch)
        return batch if self.key(first) == key else None

    def batches(self, ledgers: LedgerRange) -> list[LedgerRange]:
        """Give the ledgers of each object that holds some of a range; ascending."""
        size = self.ledgers_per_batch
        first = _around(ledgers.first, size).first
        return [LedgerRange(at, at + size - 1) for at in range(first, ledgers.last + 1, size)]


def _around(ledger: int, size: int) -> LedgerRange:
    """Give the range of a size that holds a ledger and starts at a multiple of the size."""
    first = ledger - ledger % size
    return LedgerRange(first, first + size - 1)


def _name(ledgers: LedgerRange, *, single: bool = False) -> str:
    inverse = f"{_MAX_UINT32 - ledgers.first:08X}--{ledgers.first}"
    return inverse if single else f"{inverse}-{ledgers.last}"
