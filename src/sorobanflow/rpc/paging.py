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
from sorobanflow.rpc.client import MAX_EVENTS, RpcClient
from sorobanflow.rpc.filters import EventFilter
from sorobanflow.rpc.places import placed
from sorobanflow.rpc.wire import Event, EventsPage, Items, Malformed
from sorobanflow.toid import Position, end_of_ledger, parse_event_id

# The range check of the node and its query are two reads; a trim between them
# takes ledgers out of a page silently. A node trims by far less than this in a walk.
EDGE_LEDGERS = 1000
KEPT_TYPES = ("contract", "system")  # diagnostic events of old nodes are not chain data

_items = Items(Event)


class EventsRead(msgspec.Struct, frozen=True):
    """The events of a range, all of them, in chain order, and the node's bounds."""

    events: list[Event | Malformed]
    oldest_ledger: int
    latest_ledger: int
    pages: int


class _Claim(msgspec.Struct, frozen=True):
    """What of a malformed event may still say where it belongs."""

    id: str


_claims = msgspec.json.Decoder(_Claim)


def read_events(
    client: RpcClient,
    ledgers: LedgerRange,
    filters: Sequence[EventFilter] = (),
    limit: int = MAX_EVENTS,
) -> EventsRead:
    """Read every event of the range, each once.

    Raises:
        NodeBehindError: the node does not have the whole range yet; try later.
        LedgerOutsideRetentionError: it no longer has the start of the range.
        RpcProtocolError: the pages do not lead to the end of the range.
    """
    walk = _Walk(ledgers)
    page = client.get_events(ledgers.first, ledgers.last + 1, limit=limit, filters=filters)
    while not walk.take(page):
        page = client.get_events(cursor=walk.reached.event_id, limit=limit, filters=filters)
    if walk.oldest + EDGE_LEDGERS >= ledgers.first or not walk.oldest:
        _check_retention(client, ledgers)
    return walk.result()


class _Walk:
    """The pages of one range: what they held, and how far they prove it read."""

    def __init__(self, ledgers: LedgerRange) -> None:
        self.ledgers = ledgers
        self.reached = end_of_ledger(ledgers.first - 1)
        self.oldest = 0
        self._latest = 0
        self._pages = 0
        self._found: list[tuple[Position, Event | Malformed]] = []
        self._seen: set[str] = set()

    def take(self, page: EventsPage) -> bool:
        """Keep a page's events; whether the range is proved read to its end."""
        self._pages += 1
        self.oldest = max(self.oldest, page.oldest_ledger)
        self._latest = page.latest_ledger
        items = [self._checked(item) for item in _items.decode(page.events)]
        known = [parse_event_id(item.id) for item in items if isinstance(item, Event)]
        newest = max(known, default=self.reached)
        cursor = _cursor(page) if page.cursor else newest
        for place, item in placed(items, _place_of, _claimed, self.reached, cursor):
            self._keep(place, item)
        return self._advance(cursor, newest)

    def result(self) -> EventsRead:
        """Give what was found, in chain order."""
        self._found.sort(key=itemgetter(0))
        events = [item for _, item in self._found]
        return EventsRead(events, self.oldest, self._latest, self._pages)

    def _checked(self, item: Event | Malformed) -> Event | Malformed:
        """Turn an event that contradicts itself or the request into a malformed one."""
        if isinstance(item, Malformed):
            return item
        try:
            place = parse_event_id(item.id)
        except DecodeError as error:
            return _as_malformed(item, str(error))
        if place.ledger != item.ledger:
            return _as_malformed(item, f"ledger is {item.ledger}, the id's is {place.ledger}")
        if place.ledger < self.ledgers.first:
            return _as_malformed(item, f"the request starts at ledger {self.ledgers.first}")
        return item

    def _keep(self, place: Position, item: Event | Malformed) -> None:
        key = item.payload if isinstance(item, Malformed) else item.id
        wanted = isinstance(item, Malformed) or item.type in KEPT_TYPES
        if wanted and place.ledger <= self.ledgers.last and key not in self._seen:
            self._seen.add(key)
            self._found.append((place, item))

    def _advance(self, cursor: Position, newest: Position) -> bool:
        last = self.ledgers.last
        through = cursor.ledger if cursor.ends_ledger else cursor.ledger - 1
        if min(max(through, newest.ledger - 1), self._latest) >= last:
            return True
        if self._latest < last and (through >= self._latest or cursor <= self.reached):
            raise NodeBehindError(last, self._latest)
        if cursor <= self.reached:
            raise RpcProtocolError(
                f"getEvents: the cursor stays at {cursor.event_id}, ledger {last} is not reached"
            )
        self.reached = cursor
        return False


def _cursor(page: EventsPage) -> Position:
    try:
        return parse_event_id(page.cursor)
    except DecodeError as error:
        raise RpcProtocolError(f"getEvents: the cursor is wrong: {error}") from None


def _place_of(event: Event) -> Position:
    return parse_event_id(event.id)


def _claimed(item: Malformed) -> Position | None:
    try:
        return parse_event_id(_claims.decode(item.payload).id)
    except (msgspec.DecodeError, UnicodeError, RecursionError, DecodeError):
        return None


def _as_malformed(event: Event, error: str) -> Malformed:
    return Malformed(msgspec.json.encode(event).decode(), error)


def _check_retention(client: RpcClient, ledgers: LedgerRange) -> None:
    oldest = client.get_health().oldest_ledger
    if oldest > ledgers.first:
        raise LedgerOutsideRetentionError(ledgers.first, oldest)
