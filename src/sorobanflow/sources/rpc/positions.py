"""Give every item of a page its position on the chain, the malformed ones too.

Both walks (`events_walk`, `ledger_chunk`) collect their pages here and cut them
at the end of their range. Invariant: a malformed item stays between its
neighbours. The position that it claims counts only if it lies there: a wrong one
must not move the item out of the range, where it would be lost, nor into it. The
walks rely on the positions of readable items, so these are checked as well.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from sorobanflow.sources.items import Malformed

ItemT = TypeVar("ItemT", bound=Struct)
PositionT = TypeVar("PositionT", bound=tuple[int, ...])


#: The errors of readable items in a wrong position begin so. Stored in quarantine, where a
#: replay recognizes them: decoding such an item again proves nothing.
MISPLACED, BEFORE_REQUEST = "its place ", "the request starts at ledger "


class LastItem(NamedTuple, Generic[PositionT]):
    """What the items of a page say of its end.

    Attributes:
        position: Of the last readable item that is new; where the page starts if none is.
        ends_page: Whether the page has items, and no malformed one follows.
    """

    position: PositionT
    ends_page: bool


class Collected(Generic[ItemT, PositionT]):
    """The items of the pages that a walk has read, each once.

    Args:
        start: Where the walk starts; what the latest ledger holds before it is left out, for
            nodes may deliver that ledger from its beginning.
        end: The last position wanted; what stands after it is left out.
        key_of: Names a readable item.
        position_of: Gives the position of a readable item.
        claimed: Gives the position that a malformed item after another position claims;
            None if it cannot be read.
    """

    def __init__(
        self,
        start: PositionT,
        end: PositionT,
        key_of: Callable[[ItemT], str],
        position_of: Callable[[ItemT], PositionT],
        claimed: Callable[[Malformed, PositionT], PositionT | None],
    ) -> None:
        self._start = start
        self._end = end
        self._key_of = key_of
        self._position_of = position_of
        self._claimed = claimed
        self._found: list[tuple[PositionT, ItemT | Malformed]] = []
        self._seen: set[str] = set()

    def __len__(self) -> int:
        return len(self._found)

    def add(
        self, page: Sequence[ItemT | Malformed], after: PositionT, bound: PositionT
    ) -> LastItem[PositionT]:
        """Keep what is new of a page that starts after a position and can reach up to a bound."""
        items = mark_misplaced(self._new(page, bound), self._position_of, after, bound)
        for position, item in assign_positions(
            items, self._position_of, self._claimed, after, bound
        ):
            key = item.payload if isinstance(item, Malformed) else self._key_of(item)
            if position <= self._end and key not in self._seen:
                self._seen.add(key)
                self._found.append((position, item))
        readable = [self._position_of(item) for item in items if not isinstance(item, Malformed)]
        ends_malformed = bool(items) and isinstance(items[-1], Malformed)
        return LastItem(max(readable, default=after), bool(page) and not ends_malformed)

    def in_order(self, end: PositionT) -> list[ItemT | Malformed]:
        """Give what stands up to a position, in chain order."""
        self._found.sort(key=itemgetter(0))
        items = [item for position, item in self._found if position <= end]
        if not any(isinstance(item, Malformed) for item in items):
            return items
        # An item that came misplaced may have come again, at its own position.
        readable = (item for item in items if not isinstance(item, Malformed))
        payloads = {Malformed.of(item, "").payload for item in readable}
        return [i for i in items if not isinstance(i, Malformed) or i.payload not in payloads]

    def _new(self, page: Sequence[ItemT | Malformed], bound: PositionT) -> list[ItemT | Malformed]:
        """Leave out what earlier pages held, and what the page holds twice at one position."""
        in_page: set[tuple[str, PositionT]] = set()
        new: list[ItemT | Malformed] = []
        for item in page:
            if not isinstance(item, Malformed):
                stated = key, position = self._key_of(item), self._position_of(item)
                is_before = position <= self._start and position[0] == bound[0]
                if is_before or key in self._seen or stated in in_page:
                    continue
                in_page.add(stated)
            new.append(item)
        return new


def claims_of(item: Malformed) -> dict[str, Any]:
    """Give the fields of a malformed item, as far as it is a JSON object."""
    try:
        claims = msgspec.json.decode(item.payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def mark_misplaced(
    items: Sequence[ItemT | Malformed],
    position_of: Callable[[ItemT], PositionT],
    after: PositionT,
    bound: PositionT,
) -> list[ItemT | Malformed]:
    """Make those readable items malformed whose positions the page cannot hold.

    Args:
        items: The page, without what was delivered before or twice.
        position_of: Gives the position of a readable item.
        after: Where the page starts; no item stands there.
        bound: The last position that the page can hold.
    """
    positions = {n: position_of(i) for n, i in enumerate(items) if not isinstance(i, Malformed)}
    ascending = all(a < b for a, b in pairwise(chain([after], positions.values())))
    if ascending and max(positions.values(), default=bound) <= bound:
        return [*items]
    kept = _longest_ascending({n: p for n, p in positions.items() if after < p <= bound})
    return [
        item
        if isinstance(item, Malformed) or n in kept
        else Malformed.of(
            item,
            f"{MISPLACED}{tuple(positions[n])} is not where it stands in a page that goes "
            f"from {tuple(after)} to {tuple(bound)}",
        )
        for n, item in enumerate(items)
    ]


def _longest_ascending(positions: dict[int, PositionT]) -> set[int]:
    """Find the longest ascending selection, so that the fewest items count as misplaced."""
    ends: list[PositionT] = []  # the lowest end of a selection, by its length
    tails: list[int] = []  # the number of that end
    previous: dict[int, int | None] = {}
    for number, position in positions.items():
        length = bisect_left(ends, position)
        previous[number] = tails[length - 1] if length else None
        ends[length : length + 1] = [position]
        tails[length : length + 1] = [number]
    found: set[int] = set()
    at = tails[-1] if tails else None
    while at is not None:
        found.add(at)
        at = previous[at]
    return found


def assign_positions(
    items: Sequence[ItemT | Malformed],
    position_of: Callable[[ItemT], PositionT],
    claimed: Callable[[Malformed, PositionT], PositionT | None],
    after: PositionT,
    bound: PositionT,
) -> list[tuple[PositionT, ItemT | Malformed]]:
    """Give every item a position, in the order of the page.

    A malformed one gets what it claims if that lies between its readable neighbours,
    else the position of the item before it. For the arguments see `mark_misplaced`.
    """
    bounds: list[PositionT] = []  # the position of the next readable item, for each item
    for item in reversed(items):
        bound = bound if isinstance(item, Malformed) else position_of(item)
        bounds.append(bound)
    found: list[tuple[PositionT, ItemT | Malformed]] = []
    for item, next_readable in zip(items, reversed(bounds), strict=True):
        if not isinstance(item, Malformed):
            after = next_readable
        elif (claim := claimed(item, after)) is not None and after <= claim <= next_readable:
            after = claim
        found.append((after, item))
    return found
