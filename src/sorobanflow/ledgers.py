"""Ledgers: ranges of them, their arithmetic, how they are written for a person; the anchor."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from sorobanflow.errors import ConfigurationError

#: The first ledger of a network that has a LedgerCloseMeta (SEP-54).
FIRST_LEDGER = 2
LAST_LEDGER = 2**31 - 1  # a PostgreSQL int4; the network reaches it in some 340 years
#: How far behind the tip a first run starts by default, and a node may lag: ten minutes.
LEDGERS_BEHIND_TIP = 120

#: Ranges that a line for a person names, from both ends.
MAX_SHOWN_RANGES = 6

_is_number = re.compile(r"[0-9]{1,10}", re.ASCII).fullmatch
_is_hash = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch


class Anchor(NamedTuple):
    """A ledger whose hash (hex) is known from somewhere that is trusted."""

    ledger: int
    hash: str

    def __str__(self) -> str:
        return f"{self.ledger}:{self.hash}"


def parse_anchor(text: str) -> Anchor:
    """Read `ledger:hash`; ConfigurationError for any other form."""
    ledger, _, digest = text.partition(":")
    if not (_is_number(ledger) and _is_hash(digest)):
        raise ConfigurationError(
            f"anchor {text[:100]!r} is not valid; expected a ledger and the hash of its header, "
            "64 lower-case hex digits, such as 51000294:5f3c…"
        )
    return Anchor(int(ledger), digest)


class LedgerRange(NamedTuple):
    """A contiguous range of whole ledgers, `first` and `last` both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Number of ledgers in the range."""
        return self.last - self.first + 1

    def holds(self, ledger: int) -> bool:
        """Whether the ledger is in the range."""
        return self.first <= ledger <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else f"{self.first}"


def merge(ranges: Iterable[LedgerRange]) -> list[LedgerRange]:
    """Join overlapping and adjacent ranges; ascending and disjoint."""
    merged: list[LedgerRange] = []
    for part in sorted(ranges):
        if merged and part.first <= merged[-1].last + 1:
            merged[-1] = LedgerRange(merged[-1].first, max(merged[-1].last, part.last))
        else:
            merged.append(part)
    return merged


def subtract(wanted: LedgerRange, covered: Iterable[LedgerRange]) -> list[LedgerRange]:
    """Give the parts of `wanted` that no range of `covered` holds, ascending."""
    missing: list[LedgerRange] = []
    start = wanted.first
    for part in clip(merge(covered), wanted):
        if part.first > start:
            missing.append(LedgerRange(start, part.first - 1))
        start = part.last + 1
    if start <= wanted.last:
        missing.append(LedgerRange(start, wanted.last))
    return missing


def clip(ranges: Iterable[LedgerRange], bounds: LedgerRange) -> list[LedgerRange]:
    """Give what of the ranges lies within bounds, in their order."""
    parts = (LedgerRange(max(r.first, bounds.first), min(r.last, bounds.last)) for r in ranges)
    return [part for part in parts if part.size > 0]


def split(ranges: Iterable[LedgerRange], chunk_ledgers: int) -> list[LedgerRange]:
    """Cut ranges into chunks, in their order; only the last of a range may be shorter."""
    return [
        LedgerRange(first, min(first + chunk_ledgers - 1, part.last))
        for part in ranges
        for first in range(part.first, part.last + 1, chunk_ledgers)
    ]


def cut(ledgers: LedgerRange, max_parts: int) -> list[LedgerRange]:
    """Cut a range into so many parts at most, of about the same size, ascending."""
    parts = min(max_parts, ledgers.size)
    bounds = [ledgers.first + ledgers.size * part // parts for part in range(parts + 1)]
    return [LedgerRange(first, end - 1) for first, end in pairwise(bounds)]


def single_ledgers(ledgers: Iterable[int]) -> list[LedgerRange]:
    """Give the ranges that hold these ledgers; ascending and disjoint."""
    return merge(LedgerRange(ledger, ledger) for ledger in ledgers)


def count_ledgers(ranges: Iterable[LedgerRange]) -> int:
    """Number of ledgers in disjoint ranges."""
    return sum(part.size for part in ranges)


def ranges_text(ranges: Iterable[LedgerRange]) -> str:
    """Write ranges in one line, joined where they meet; of many, those at both ends."""
    parts = [str(part) for part in merge(ranges)]
    if len(parts) > MAX_SHOWN_RANGES:
        parts[MAX_SHOWN_RANGES // 2 : -MAX_SHOWN_RANGES // 2] = ["…"]
    return ", ".join(parts) or "none"


def sized_ranges_text(ranges: Sequence[LedgerRange]) -> str:
    """Write the number of ledgers in disjoint ranges, and the ranges: 20 (1-10, 31-40)."""
    return f"{count_ledgers(ranges):,} ({ranges_text(ranges)})" if ranges else "0"
