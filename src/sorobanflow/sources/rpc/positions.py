"""Give every item of a page its position on the chain, the malformed ones too.

Both walks (`events_walk`, `ledger_chunk`) collect their pages here. Invariant: a
malformed item stays between its neighbours, and the position that it claims counts only
if it lies there: a wrong one must move the item neither out of the range nor into it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter, lt
from typing import Any, Generic, NamedTuple, TypeGuard, TypeVar

from msgspec import Struct

from sorobanflow.sources.items import MISPLACED, Malformed

ItemT = TypeVar("ItemT", bound=Struct)
PositionT = TypeVar("PositionT", bound=tuple[int, ...])

#: An item with its position; None: it is malformed.
Positioned = tuple[PositionT | None, ItemT | Malformed]


class LastItem(NamedTuple, Generic[PositionT]):
    """Position of the last new readable item of a page, or where the page starts."""

    position: PositionT
    ends_page: bool  # whether the page has items, and no malformed one follows


class Collected(Generic[ItemT, PositionT]):
    """The items of the pages that a walk has read, each once, up to the end of its range.

    What the latest ledger holds before the start is left out: nodes may deliver it from its
    beginning. `claimed` reads the position that a malformed item after a position claims.
    """

    def __init__(
        self,
        start: PositionT,
        end: PositionT,
        key_of: Callable[[ItemT], str],
        claimed: Callable[[Malformed, PositionT], PositionT | None],
    ) -> None:
        self._start = start
        self._end = end
        self._key_of = key_of
        self._claimed = claimed
        self._found: list[tuple[PositionT, ItemT | Malformed]] = []
        self._seen: set[str] = set()

    def __len__(self) -> int:
        return len(self._found)

    def add(
        self, page: Sequence[Positioned[PositionT, ItemT]], after: PositionT, bound: PositionT
    ) -> LastItem[PositionT]:
        """Keep what is new of a page that starts after a position and can reach up to a bound."""
        if self._is_sound(page, after, bound):
            self._found += page
            self._seen.update(self._key_of(item) for _, item in page)
            return LastItem(page[-1][0], ends_page=True)
        items = mark_misplaced([*self._new(page, bound)], after, bound)
        for position, item in self._assigned(items, after, bound):
            key = item.payload if isinstance(item, Malformed) else self._key_of(item)
            if position <= self._end and key not in self._seen:
                self._seen.add(key)
                self._found.append((position, item))
        readable = [position for position, _ in items if position is not None]
        ends_malformed = bool(items) and items[-1][0] is None
        return LastItem(readable[-1] if readable else after, bool(page) and not ends_malformed)

    def _is_sound(
        self, page: Sequence[Positioned[PositionT, ItemT]], after: PositionT, bound: PositionT
    ) -> TypeGuard[Sequence[tuple[PositionT, ItemT]]]:
        """Tell whether a page has items, and all of them are readable, new and in order.

        Nearly all pages are; the rules for the others take as long as decoding the items.
        """
        positions = [position for position, _ in page if position is not None]
        if not page or len(positions) < len(page) or positions[-1] > bound:
            return False
        keys = {self._key_of(item) for _, item in page if not isinstance(item, Malformed)}
        is_new = len(keys) == len(page) and self._seen.isdisjoint(keys)
        return is_new and all(map(lt, [after, *positions], positions))

    def in_order(self, end: PositionT) -> list[ItemT | Malformed]:
        """Give what stands up to a position, in chain order."""
        self._found.sort(key=itemgetter(0))
        items = [item for position, item in self._found if position <= end]
        if Malformed not in {type(item) for item in items}:
            return items
        # An item that came misplaced may have come again, at its own position.
        readable = (item for item in items if not isinstance(item, Malformed))
        payloads = {Malformed.of(item, "").payload for item in readable}
        return [i for i in items if not isinstance(i, Malformed) or i.payload not in payloads]

    def _new(
        self, page: Sequence[Positioned[PositionT, ItemT]], bound: PositionT
    ) -> Iterator[Positioned[PositionT, ItemT]]:
        """Leave out what earlier pages held, and what the page holds twice at one position."""
        in_page: set[tuple[str, PositionT]] = set()
        for position, item in page:
            if position is None or isinstance(item, Malformed):
                yield None, item
                continue
            stated = key, _ = self._key_of(item), position
            is_before = position <= self._start and position[0] == bound[0]
            if not is_before and key not in self._seen and stated not in in_page:
                in_page.add(stated)
                yield position, item

    def _assigned(
        self, items: list[Positioned[PositionT, ItemT]], after: PositionT, bound: PositionT
    ) -> Iterator[tuple[PositionT, ItemT | Malformed]]:
        """Give every item a position; a malformed one may share that of the item before it."""
        bounds: list[PositionT] = []  # the position of the next readable item, for each item
        for position, _ in reversed(items):
            bound = bound if position is None else position
            bounds.append(bound)
        for (_, item), next_readable in zip(items, reversed(bounds), strict=True):
            if not isinstance(item, Malformed):
                after = next_readable
            elif (claim := self._claimed(item, after)) and after <= claim <= next_readable:
                after = claim
            yield after, item


def mark_misplaced(
    items: list[Positioned[PositionT, ItemT]], after: PositionT, bound: PositionT
) -> list[Positioned[PositionT, ItemT]]:
    """Make those readable items malformed that a page from `after` to `bound` cannot hold."""
    positions = {n: position for n, (position, _) in enumerate(items) if position is not None}
    ascending = all(a < b for a, b in pairwise([after, *positions.values()]))
    if ascending and max(positions.values(), default=bound) <= bound:
        return items
    kept = _longest_ascending({n: p for n, p in positions.items() if after < p <= bound})
    span = f"where it stands in a page that goes from {tuple(after)} to {tuple(bound)}"
    return [
        (None, Malformed.of(item, f"{MISPLACED}{tuple(position)} is not {span}"))
        if position is not None and n not in kept
        else (position, item)
        for n, (position, item) in enumerate(items)
    ]


def _longest_ascending(positions: dict[int, PositionT]) -> set[int]:
    """Find the longest ascending selection, so that the fewest items count as misplaced."""
    ends: list[PositionT] = []  # the lowest end of a selection, by its length
    chains: list[tuple[int, Any]] = []  # the selection with that end: its last number, the rest
    for number, position in positions.items():
        length = bisect_left(ends, position)
        ends[length : length + 1] = [position]
        chains[length : length + 1] = [(number, chains[length - 1] if length else None)]
    found: set[int] = set()
    rest = chains[-1] if chains else None
    while rest is not None:
        number, rest = rest
        found.add(number)
    return found
