"""Where the items of a page stand on the chain, the malformed ones too.

Used by both walks (`paging`, `fetch`), which cut a page at the end of their
range. Invariant: a malformed item stands between its neighbours. What it says
of its own place is believed only if it lies there, since a wrong place must
neither move an item out of the range, where it would be lost, nor into it. The
places of good items are what the walks go by, so these are checked as well.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import TypeVar

from msgspec import Struct

from sorobanflow.sources.items import Malformed

ItemT = TypeVar("ItemT", bound=Struct)
PlaceT = TypeVar("PlaceT", bound=tuple[int, ...])


def without_repeats(
    items: Sequence[ItemT | Malformed], key_of: Callable[[ItemT], object]
) -> list[ItemT | Malformed]:
    """Leave out good items whose key another before them has."""
    keys: set[object] = set()
    found: list[ItemT | Malformed] = []
    for item in items:
        if not isinstance(item, Malformed):
            key = key_of(item)
            if key in keys:
                continue
            keys.add(key)
        found.append(item)
    return found


def without_strays(items: Sequence[ItemT | Malformed]) -> list[ItemT | Malformed]:
    """Leave out what was turned away where it stood and came sound at its place as well."""
    if not any(isinstance(item, Malformed) for item in items):
        return [*items]
    sound = {Malformed.of(item, "").payload for item in items if not isinstance(item, Malformed)}
    return [item for item in items if not isinstance(item, Malformed) or item.payload not in sound]


def believed(
    items: Sequence[ItemT | Malformed],
    place_of: Callable[[ItemT], PlaceT],
    before: PlaceT,
    behind: PlaceT,
) -> list[ItemT | Malformed]:
    """Turn the good items whose places the page cannot hold into malformed ones.

    Args:
        items: The page, without what was delivered before or twice.
        place_of: Place of a good item.
        before: Where the page starts; no item stands there.
        behind: The last place that it can hold.
    """
    places = {n: place_of(item) for n, item in enumerate(items) if not isinstance(item, Malformed)}
    ascending = all(a < b for a, b in pairwise(chain([before], places.values())))
    if ascending and max(places.values(), default=behind) <= behind:
        return [*items]
    kept = _ascending({n: place for n, place in places.items() if before < place <= behind})
    return [
        item
        if isinstance(item, Malformed) or n in kept
        else Malformed.of(
            item,
            f"its place {tuple(places[n])} is not where it stands in a page that goes "
            f"from {tuple(before)} to {tuple(behind)}",
        )
        for n, item in enumerate(items)
    ]


def _ascending(places: dict[int, PlaceT]) -> set[int]:
    """Find the longest strictly ascending run with others between: the fewest are wrong."""
    ends: list[PlaceT] = []  # the lowest end of a run, by the run's length
    tails: list[int] = []  # the number of that end
    previous: dict[int, int | None] = {}
    for number, place in places.items():
        length = bisect_left(ends, place)
        previous[number] = tails[length - 1] if length else None
        ends[length : length + 1] = [place]
        tails[length : length + 1] = [number]
    found: set[int] = set()
    at = tails[-1] if tails else None
    while at is not None:
        found.add(at)
        at = previous[at]
    return found


def placed(
    items: Sequence[ItemT | Malformed],
    place_of: Callable[[ItemT], PlaceT],
    claimed: Callable[[Malformed, PlaceT], PlaceT | None],
    before: PlaceT,
    behind: PlaceT,
) -> list[tuple[PlaceT, ItemT | Malformed]]:
    """Give every item its place, in the order of the page.

    Args:
        items: The page.
        place_of: Place of a good item.
        claimed: Place that a malformed item behind another place says it has, if that can
            be read.
        before: Where the page starts.
        behind: Where it ends, as its cursor says.
    """
    bounds: list[PlaceT] = []
    for item in reversed(items):
        behind = behind if isinstance(item, Malformed) else place_of(item)
        bounds.append(behind)
    found: list[tuple[PlaceT, ItemT | Malformed]] = []
    for item, bound in zip(items, reversed(bounds), strict=True):
        if not isinstance(item, Malformed):
            before = bound
        elif (own := claimed(item, before)) is not None and before <= own <= bound:
            before = own
        found.append((before, item))
    return found
