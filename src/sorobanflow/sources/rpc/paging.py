"""Read the events of whole ledgers with getEvents, page by page.

Between the client, which knows single pages, and the flows, which want ranges.
Invariant: a range counts as read only when the node's answer proves it. The
length of a page proves nothing (a call scans 10,000 ledgers, providers cap
pages); the cursor does, and so does an event behind the range. Whatever cannot
be read keeps its place as `Malformed`. Source: get_events.go of stellar-rpc v28.
"""

from collections.abc import Sequence
from operator import itemgetter

import msgspec

from sorobanflow.errors import (
    DecodeError,
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcProtocolError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.client import MAX_EVENTS, RpcClient
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.sources.rpc.places import believed, placed, without_repeats, without_strays
from sorobanflow.sources.rpc.wire import EventsPage, Items
from sorobanflow.toid import Position, end_of_ledger, parse_event_id

# The range check of the node and its query are two reads; a trim between them
# takes ledgers out of a page silently. A node trims by far less than this in a walk.
EDGE_LEDGERS = 1000
DROPPED_TYPE = "diagnostic"  # old nodes deliver these; they are not chain data

_items = Items(Event)


class EventsRead(msgspec.Struct, frozen=True):
    """The events of `ledgers`, all of them, in chain order, and the node's bounds."""

    events: list[Event | Malformed]
    ledgers: LedgerRange
    oldest_ledger: int
    latest_ledger: int
    pages: int
    near_edge: bool


class _Claim(msgspec.Struct, frozen=True):
    """What of a malformed event may still say where it belongs."""

    id: str


_claims = msgspec.json.Decoder(_Claim)


class EventsWalk:
    """The events of one range; goes on where a fault stopped it.

    Args:
        ledgers: The range.
        filters: At most one.
        limit: Events per page at most.
        most_events: Once more than these are held, the walk ends with the last
            whole ledger, if there is one; None: it reads the whole range.
    """

    def __init__(
        self,
        ledgers: LedgerRange,
        filters: Sequence[EventFilter] = (),
        limit: int = MAX_EVENTS,
        most_events: int | None = None,
    ) -> None:
        self._ledgers = ledgers
        self._filters = filters
        self._limit = limit
        self._most_events = most_events
        self._start = self._reached = end_of_ledger(ledgers.first - 1)
        self._read: LedgerRange | None = None
        self._oldest = 0
        self._latest = 0
        self._pages = 0
        self._found: list[tuple[Position, Event | Malformed]] = []
        self._seen: set[str] = set()

    def read(self, client: RpcClient) -> EventsRead:
        """Read every event of the range, each once; again: only what is missing yet.

        Where the node may have trimmed the range meanwhile, the result says
        `near_edge`: it holds once a later `EdgeCheck` has passed.

        Raises:
            NodeBehindError: the node does not have the whole range yet; try later.
            LedgerOutsideRetentionError: it no longer has the start of the range.
            RpcProtocolError: the pages do not lead to the end of the range.
        """
        while self._read is None:
            self._read = self._take(self._page(client))
        return self._result(self._read)

    def _page(self, client: RpcClient) -> EventsPage:
        if self._reached > self._start:
            cursor = self._reached.event_id
            return client.get_events(cursor=cursor, limit=self._limit, filters=self._filters)
        first, last = self._ledgers
        return client.get_events(first, last + 1, limit=self._limit, filters=self._filters)

    def _take(self, page: EventsPage) -> LedgerRange | None:
        """Keep a page's events; give what is read when the walk is over, else None."""
        self._pages += 1
        self._oldest = max(self._oldest, page.oldest_ledger)
        self._latest = page.latest_ledger
        tip = end_of_ledger(page.latest_ledger)
        told = _cursor(page) if page.cursor else None
        items = self._new_items(page, tip if told is None else min(told, tip))
        known = [parse_event_id(item.id) for item in items if isinstance(item, Event)]
        newest = max(known, default=self._reached)
        cursor = newest if told is None else told
        for place, item in placed(items, _place_of, _claimed, self._reached, cursor):
            self._keep(place, item)
        return self._advance(cursor, newest)

    def _new_items(self, page: EventsPage, behind: Position) -> list[Event | Malformed]:
        """Decode the page's events, without known ones; those it cannot hold as malformed."""
        decoded = [self._checked(item) for item in _items.decode(page.events)]
        items = [item for item in decoded if isinstance(item, Malformed) or self._is_new(item)]
        items = without_repeats(items, lambda item: item.id)
        return believed(items, _place_of, self._reached, behind)

    def _is_new(self, event: Event) -> bool:
        return event.id not in self._seen

    def _result(self, read: LedgerRange) -> EventsRead:
        self._found.sort(key=itemgetter(0))
        events = [item for place, item in self._found if place.ledger <= read.last]
        events = without_strays(events)
        near_edge = self._oldest + EDGE_LEDGERS >= self._ledgers.first or not self._oldest
        return EventsRead(events, read, self._oldest, self._latest, self._pages, near_edge)

    def _checked(self, item: Event | Malformed) -> Event | Malformed:
        """Turn an event that contradicts itself or the request into a malformed one."""
        if isinstance(item, Malformed):
            return item
        try:
            place = parse_event_id(item.id)
        except DecodeError as error:
            return Malformed.of(item, str(error))
        if place.ledger != item.ledger:
            return Malformed.of(item, f"ledger is {item.ledger}, the id's is {place.ledger}")
        if place.ledger < self._ledgers.first:
            return Malformed.of(item, f"the request starts at ledger {self._ledgers.first}")
        return item

    def _keep(self, place: Position, item: Event | Malformed) -> None:
        key = item.payload if isinstance(item, Malformed) else item.id
        if key in self._seen:
            return
        self._seen.add(key)
        dropped = isinstance(item, Event) and item.type == DROPPED_TYPE
        if place.ledger <= self._ledgers.last and not dropped:
            self._found.append((place, item))

    def _advance(self, cursor: Position, newest: Position) -> LedgerRange | None:
        first, last = self._ledgers
        through = cursor.ledger if cursor.ends_ledger else cursor.ledger - 1
        whole = min(max(through, newest.ledger - 1), self._latest)
        if whole >= last:
            return self._ledgers
        if whole >= first and self._is_full():
            return LedgerRange(first, whole)
        if self._latest < last and (through >= self._latest or cursor <= self._reached):
            # What the node has is kept; the next try asks for what follows.
            self._reached = max(self._reached, min(cursor, end_of_ledger(self._latest)))
            raise NodeBehindError(last, self._latest)
        if cursor <= self._reached:
            raise RpcProtocolError(
                f"getEvents: the cursor stays at {cursor.event_id}, ledger {last} is not reached"
            )
        self._reached = cursor
        return None

    def _is_full(self) -> bool:
        return self._most_events is not None and len(self._found) > self._most_events


def _cursor(page: EventsPage) -> Position:
    try:
        return parse_event_id(page.cursor)
    except DecodeError as error:
        raise RpcProtocolError(f"getEvents: the cursor is wrong: {error}") from None


def _place_of(event: Event) -> Position:
    return parse_event_id(event.id)


def _claimed(item: Malformed, _before: Position) -> Position | None:
    try:
        return parse_event_id(_claims.decode(item.payload).id)
    except (msgspec.DecodeError, UnicodeError, RecursionError, DecodeError):
        return None


class EdgeCheck:
    """Proves that a range was still on the node after its events were read.

    Fetched beside the transactions, of which it is a chunk that holds none; not needed
    where one of theirs starts with the range, for getTransactions reads a snapshot and
    refuses a ledger that it has not.
    """

    def __init__(self, ledgers: LedgerRange) -> None:
        self._ledgers = ledgers
        self._passed = False

    @property
    def label(self) -> str:
        """The check as a log line names it."""
        return f"edge of {self._ledgers}"

    def fetch(self, client: RpcClient) -> list[Transaction | Malformed]:
        """Ask for the node's oldest ledger; once passed, not again.

        Raises:
            LedgerOutsideRetentionError: the start of the range has left the node.
        """
        if not self._passed:
            oldest = client.get_health().oldest_ledger
            if oldest > self._ledgers.first:
                raise LedgerOutsideRetentionError(self._ledgers.first, oldest)
            self._passed = True
        return []
