"""A data lake as a source: whole ledgers, one object or more for each step.

Implements `sources.source`, in one round of steps. Invariant: a step gives every object of
its ledgers, or an error; an object that the lake does not have is `LedgerMissingError`.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from sorobanflow.errors import LakeError, LedgerMissingError
from sorobanflow.ledgers import FIRST_LEDGER, LAST_LEDGER, LedgerRange, cut
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import LedgerObject
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.layout import Layout
from sorobanflow.sources.lake.objects import fetch_object
from sorobanflow.sources.one_round import OneRound
from sorobanflow.sources.source import Available, Fetched, FetchedItems


class LakeSource:
    """A data lake.

    `layouts` are those that it may have: without a manifest, its objects have to tell which. So
    a batch may then make calls when it begins.
    """

    def __init__(
        self,
        client: LakeClient,
        passphrase: str,
        layouts: Sequence[Layout],
        event_filter: EventFilter | None = None,
    ) -> None:
        self.passphrase = passphrase
        self.event_filter = event_filter
        self._client = client
        self._layouts = layouts

    @property
    def address(self) -> str:
        """The lake's URL or folder, without secrets."""
        return self._client.address

    @property
    def last_failure(self) -> str:
        """Why the last attempt of a call failed; empty if one has succeeded since."""
        return self._client.last_failure

    @property
    def ledgers_per_object(self) -> int:
        """Ledgers of an object; the most there may be until the lake's layout is known."""
        return max(layout.ledgers_per_batch for layout in self._layouts)

    def available(self, wanted: LedgerRange | None = None) -> Available:
        """Ask which ledgers of a range it has, from the oldest to the newest.

        A folder and a bucket list their newest key in the range. Other ends are searched by
        halving, from an end of the range that the lake has. So objects that are missing inside
        of a lake stay unseen here; fetching them finds them.

        Raises:
            LedgerMissingError: it has no ledger of the range, as far as can be asked; names the
                first object.
        """
        wanted = wanted or LedgerRange(FIRST_LEDGER, LAST_LEDGER)
        layout = self._layout_at(wanted.first)

        def has(ledger: int) -> bool:
            return self._client.exists(layout.key(ledger))

        newest = self._newest(wanted, layout, has)
        if newest is None:
            (batch,) = layout.batches(LedgerRange(wanted.first, wanted.first))
            raise LedgerMissingError(*batch, layout.key(wanted.first))
        return Available(_search(has, newest, wanted.first), newest)

    def begin_batch(
        self, ledgers: LedgerRange, max_events: int, other_batches: int = 0
    ) -> OneRound:
        """Begin to fetch a batch, of all the ledgers: their events are not known before."""
        layout = self._layout_at(ledgers.first)
        batches = layout.batches(ledgers)
        max_steps = -(-self._client.max_workers // (other_batches + 1))
        parts = cut(LedgerRange(0, len(batches) - 1), max_steps)
        steps = [
            ObjectsStep(self._client, layout, batches[part.first : part.last + 1]) for part in parts
        ]
        return OneRound(ledgers, steps)

    def stop(self) -> None:
        """End calls in progress and refuse new ones."""
        self._client.stop()

    def _newest(
        self, wanted: LedgerRange, layout: Layout, has: Callable[[int], bool]
    ) -> int | None:
        if has(wanted.last):
            return wanted.last
        if self._client.can_list:
            listed = self._client.first_after(layout.key(wanted.last), layout.ledgers)
            return listed.last if listed is not None and wanted.holds(listed.last) else None
        return _search(has, wanted.first, wanted.last) if has(wanted.first) else None

    def _layout_at(self, ledger: int) -> Layout:
        """Give the layout under which the lake has a ledger.

        Looks only as long as several are possible. If it has the ledger under none, the first
        one is taken, unless not even the numbers of ledgers and batches are known.

        Raises:
            LakeError: no layout fits.
        """
        layouts = self._layouts
        if len(layouts) == 1:
            return layouts[0]
        for layout in layouts:
            if self._client.exists(layout.key(ledger)):
                self._layouts = [layout]
                return layout
        if len({layout[:2] for layout in layouts}) == 1:
            return layouts[0]
        raise LakeError(
            f"{self.address} has no manifest, so its layout is not known; ledger {ledger} is not "
            f"there as {', '.join(layout.key(ledger) for layout in layouts)}. Check the URL, start "
            "at a ledger that it has, or set ledgers_per_batch, batches_per_partition and suffix "
            "of the data-lake block"
        )


class ObjectsStep:
    """Fetches objects one after the other; after an error it goes on with the first missing."""

    kind: Literal["fetch-ledgers"] = "fetch-ledgers"

    def __init__(self, client: LakeClient, layout: Layout, batches: list[LedgerRange]) -> None:
        self.label = str(LedgerRange(batches[0].first, batches[-1].last))
        self._client = client
        self._layout = layout
        self._left = batches
        self._objects: list[LedgerObject] = []

    def run(self) -> Fetched:
        """Fetch what is still missing.

        Raises:
            LedgerMissingError: the lake does not have an object.
            LakeError: it refuses, or an object is not what its key says.
        """
        while self._left:
            ledgers = self._left[0]
            key = self._layout.key(ledgers.first)
            self._objects.append(fetch_object(self._client, key, ledgers))
            self._left = self._left[1:]
        return Fetched(0, 0, sum(one.size_bytes for one in self._objects))

    def take(self) -> FetchedItems:
        """Hand the objects over."""
        objects, self._objects = self._objects, []
        return FetchedItems([], [], objects)


def _search(has: Callable[[int], bool], inside: int, end: int) -> int:
    """Give the ledger that is nearest to an end of those that reach from one inside."""
    if inside == end or has(end):
        return end
    here, gone = inside, end
    while abs(gone - here) > 1:
        middle = (here + gone) // 2
        if has(middle):
            here = middle
        else:
            gone = middle
    return here
