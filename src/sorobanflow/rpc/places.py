"""Where the items of a page stand on the chain, the malformed ones too.

Used by both walks (`paging`, `fetch`), which cut a page at the end of their
range. Invariant: a malformed item stands between its neighbours. What it says
of its own place is believed only if it lies there, since a wrong place must
neither move an item out of the range, where it would be lost, nor into it.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sorobanflow.rpc.wire import Malformed

ItemT = TypeVar("ItemT")
PlaceT = TypeVar("PlaceT", bound=tuple[int, ...])


def placed(
    items: Sequence[ItemT | Malformed],
    place_of: Callable[[ItemT], PlaceT],
    claimed: Callable[[Malformed], PlaceT | None],
    before: PlaceT,
    behind: PlaceT,
) -> list[tuple[PlaceT, ItemT | Malformed]]:
    """Give every item its place, in the order of the page.

    Args:
        items: The page.
        place_of: Place of a good item.
        claimed: Place that a malformed item says it has, if that can be read.
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
        elif (own := claimed(item)) is not None and before <= own <= bound:
            before = own
        found.append((before, item))
    return found
