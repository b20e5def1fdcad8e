"""The method getEvents: one page of the event stream.

A page scans at most 10,000 ledgers, so a short or empty page is not the end. Checks
are made in the node's order, with its messages. Source: RPC getEvents.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from stellar_sdk import StrKey

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.events import LedgerEvent
from sorobanflow.devnet.filters import (
    EventFilter,
    Matcher,
    check_filters,
    make_matchers,
    read_filters,
)
from sorobanflow.devnet.jsonrpc import INVALID_PARAMS, INVALID_REQUEST, RpcError
from sorobanflow.devnet.meta import SYSTEM, ContractEvent
from sorobanflow.devnet.params import BadParams, Params
from sorobanflow.ledgers import LedgerRange
from sorobanflow.toid import MAX_EVENT, MAX_OP, MAX_TX, Position, end_of_ledger

SCAN_LIMIT = 10_000  # ledgers
DEFAULT_LIMIT, MAX_LIMIT = 100, 10_000  # events

_CURSOR = re.compile(r"(\d{1,19})-(\d{1,10})", re.ASCII)


class EventsRequest(NamedTuple):
    """A request as read; absent numbers are 0."""

    start_ledger: int
    end_ledger: int
    filters: tuple[EventFilter, ...]
    cursor: Position | None
    limit: int


def get_events(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    """Answer getEvents.

    Raises:
        BadParams: the node could not decode the parameters.
        RpcError: the node would refuse them.
    """
    request = _read(Params(params))
    complaint = _check(request)
    if complaint:
        raise RpcError(INVALID_PARAMS, complaint)
    start = _start(request)
    if not window.holds(start.ledger):
        raise RpcError(
            INVALID_REQUEST,
            f"startLedger must be within the ledger range: {window.first} - {window.last}",
        )
    end = min(window.last + 1, start.ledger + SCAN_LIMIT, request.end_ledger or 2**32)
    limit = request.limit or DEFAULT_LIMIT
    page = _page(chain, start, end, make_matchers(request.filters), limit)
    cursor = page[-1].position if len(page) == limit else end_of_ledger(end - 1)
    return {
        "events": [_render(entry, _closed_at(chain, entry)) for entry in page],
        "cursor": cursor.event_id,
        "latestLedger": window.last,
        "oldestLedger": window.first,
        "latestLedgerCloseTime": str(chain.close_time(window.last)),
        "oldestLedgerCloseTime": str(chain.close_time(window.first)),
    }


def _read(params: Params) -> EventsRequest:
    pagination = params.object("pagination")
    cursor = _parse_cursor(pagination.text("cursor")) if pagination.has("cursor") else None
    return EventsRequest(
        params.u32("startLedger"),
        params.u32("endLedger"),
        read_filters(params),
        cursor,
        pagination.u32("limit"),
    )


def _parse_cursor(text: str) -> Position:
    match = _CURSOR.fullmatch(text)
    if match is None or int(match[1]) >= 2**63 or int(match[2]) > MAX_EVENT:
        raise BadParams(f"invalid event id {text}")
    packed = int(match[1])
    return Position(packed >> 32, packed >> 12 & MAX_TX, packed & MAX_OP, int(match[2]))


def _check(request: EventsRequest) -> str | None:
    if request.cursor and (request.start_ledger or request.end_ledger):
        return "ledger ranges and cursor cannot both be set"
    if not request.cursor and not request.start_ledger:
        return "startLedger must be positive"
    if request.limit > MAX_LIMIT:
        return f"limit must not exceed {MAX_LIMIT}"
    return check_filters(request.filters)


def _start(request: EventsRequest) -> Position:
    if request.cursor is None:
        return Position(request.start_ledger, 0, 0, 0)
    return request.cursor._replace(event=(request.cursor.event + 1) & MAX_EVENT)


def _page(
    chain: Chain, start: Position, end: int, matchers: tuple[Matcher, ...], limit: int
) -> list[LedgerEvent]:
    page: list[LedgerEvent] = []
    for entry in _from(chain, start, end):
        if any(matcher.matches(entry.event) for matcher in matchers):
            page.append(entry)
            if len(page) == limit:
                break
    return page


def _from(chain: Chain, start: Position, end: int) -> Iterator[LedgerEvent]:
    if start.ledger < end:
        yield from (e for e in chain.ledger(start.ledger).events if e.position >= start)
    for sequence in range(start.ledger + 1, end):
        yield from chain.ledger(sequence).events


def _closed_at(chain: Chain, entry: LedgerEvent) -> str:
    return _rfc3339(chain.close_time(entry.position.ledger))


# Cached: formatting these two took half of the time of a page of 10,000 events.
@lru_cache(maxsize=1024)
def _rfc3339(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=1024)
def _contract_id(contract: bytes) -> str:
    return StrKey.encode_contract(contract) if contract else ""


def _render(entry: LedgerEvent, closed_at: str) -> dict[str, Any]:
    position, event = entry.position, entry.event
    return {
        "type": "system" if event.type == SYSTEM else "contract",
        "ledger": position.ledger,
        "ledgerClosedAt": closed_at,
        "contractId": _contract_id(event.contract),
        "id": position.event_id,
        "operationIndex": position.op,
        "transactionIndex": position.tx,
        "inSuccessfulContractCall": entry.successful,
        "txHash": entry.tx_hash,
        **_render_values(event),
    }


def _render_values(event: ContractEvent) -> dict[str, Any]:
    topics = [b64encode(topic).decode() for topic in event.topics]
    value = b64encode(event.value).decode()
    return {"topic": topics, "value": value} if topics else {"value": value}
