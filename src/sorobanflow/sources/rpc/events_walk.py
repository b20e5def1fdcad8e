"""The events of whole ledgers, read with getEvents page by page.

Invariant: a range counts as read only when the answers prove it (`proof`); what
cannot be read keeps its place as `Malformed`. Calls are retried by the client, the
walk by its task.
"""

from collections.abc import Mapping
from operator import attrgetter

import msgspec

from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import BEFORE_REQUEST, Event, Malformed
from sorobanflow.sources.rpc.client import MAX_EVENTS, RpcClient
from sorobanflow.sources.rpc.edge_check import EDGE_LEDGERS
from sorobanflow.sources.rpc.positions import Collected, Positioned
from sorobanflow.sources.rpc.proof import events_page_end, is_proved, usable_cursor
from sorobanflow.sources.rpc.wire import EventsPage
from sorobanflow.toid import Position, end_of_ledger, parse_event_id

DROPPED_TYPE = "diagnostic"  # old nodes deliver these; they are not chain data


class EventsRead(msgspec.Struct, frozen=True):
    """The events of `ledgers`, all of them, in chain order.

    `named`: the transactions that they name, ledger by hash. `near_edge`: the node may
    have trimmed the range meanwhile; it holds once a later `EdgeCheck` has passed.
    `at_tip`: the range ends with the node's latest ledger.
    """

    events: list[Event | Malformed]
    ledgers: LedgerRange
    named: Mapping[str, int]
    near_edge: bool
    at_tip: bool


class EventsWalk:
    """The events of one range, in pages of `limit`; goes on where a fault stopped it.

    Once more than `max_events` are held, it ends with the last whole ledger, if there is one.
    """

    def __init__(
        self,
        ledgers: LedgerRange,
        event_filter: EventFilter | None = None,
        limit: int = MAX_EVENTS,
        max_events: int | None = None,
    ) -> None:
        self._ledgers = ledgers
        self._filter = event_filter
        self._limit = limit
        self._max_events = max_events
        self._start = self._reached = end_of_ledger(ledgers.first - 1)
        self._end = end_of_ledger(ledgers.last)
        self._read: LedgerRange | None = None
        self._oldest = self._latest = 0
        self._collected: Collected[Event, Position] = Collected(
            self._start, self._end, attrgetter("id"), _claimed_position
        )

    def read(self, client: RpcClient) -> EventsRead:
        """Read every event of the range, each once; again: only what is still missing.

        Raises:
            NodeBehindError: the node does not have the whole range yet; try later.
            LedgerOutsideRetentionError: it no longer has the start of the range.
            RpcProtocolError: the pages do not lead to the end of the range.
        """
        while self._read is None:
            self._read = self._take(self._page(client))
        return self._result(self._read)

    def _page(self, client: RpcClient) -> EventsPage[Event | Malformed]:
        if self._reached > self._start:
            cursor = self._reached.event_id
            return client.get_events(cursor=cursor, limit=self._limit, event_filter=self._filter)
        first, last = self._ledgers
        return client.get_events(first, last + 1, limit=self._limit, event_filter=self._filter)

    def _take(self, page: EventsPage[Event | Malformed]) -> LedgerRange | None:
        """Keep a page's events; give the ledgers read if the walk is over, else None."""
        self._oldest = max(self._oldest, page.oldest_ledger)
        self._latest = page.latest_ledger
        tip = end_of_ledger(page.latest_ledger)
        cursor = usable_cursor(page.cursor, parse_event_id, self._reached, tip)
        items = [self._placed(item) for item in page.items or ()]
        last = self._collected.add(items, self._reached, cursor or tip)
        page_end = events_page_end(last, cursor)
        # Set before anything is raised: the next try asks for what follows.
        reached, self._reached = self._reached, max(self._reached, page_end)
        return self._whole_ledgers(page_end) or (
            self._ledgers if is_proved("getEvents", page_end, reached, self._end, tip) else None
        )

    def _whole_ledgers(self, page_end: Position) -> LedgerRange | None:
        """Give the ledgers read to their end if enough events are held, and there are any."""
        if self._max_events is None or len(self._collected) <= self._max_events:
            return None
        through = page_end.ledger if page_end.ends_ledger else page_end.ledger - 1
        whole = LedgerRange(self._ledgers.first, min(through, self._ledgers.last))
        return whole if whole.size > 0 else None

    def _result(self, read: LedgerRange) -> EventsRead:
        items = self._collected.in_order(end_of_ledger(read.last))
        events = [i for i in items if isinstance(i, Malformed) or i.type != DROPPED_TYPE]
        named = {event.tx_hash: event.ledger for event in events if isinstance(event, Event)}
        near_edge = self._oldest + EDGE_LEDGERS >= self._ledgers.first or not self._oldest
        return EventsRead(events, read, named, near_edge, at_tip=read.last >= self._latest)

    def _placed(self, item: Event | Malformed) -> Positioned[Position, Event]:
        """Read an event's position; it is malformed if it contradicts itself or the request."""
        if isinstance(item, Malformed):
            return None, item
        try:
            position = parse_event_id(item.id)
        except DecodeError as error:
            return None, Malformed.of(item, str(error))
        ledger, first = position.ledger, self._ledgers.first
        if ledger != item.ledger:
            return None, Malformed.of(item, f"ledger is {item.ledger}, the id's is {ledger}")
        if ledger < first:
            return None, Malformed.of(item, f"{BEFORE_REQUEST}{first}")
        return position, item


def _claimed_position(item: Malformed, _after: Position) -> Position | None:
    try:
        return parse_event_id(str(item.fields.get("id")))
    except DecodeError:
        return None
