"""Make the row of an event, after `decode.events`; all fields are checked, id and ledger agree."""

from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.events import DecodedEvent
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.values import hash_hex, json_text, rfc3339
from sorobanflow.sources.items import Event
from sorobanflow.toid import parse_event_id

_TYPES = ("contract", "system")


class EventRow(NamedTuple):
    """A row of `events`; topics and value are JSON text."""

    id: str
    ledger: int
    closed_at: datetime
    tx_hash: str
    tx_index: int
    op_index: int
    event_index: int
    type: str
    contract_id: str | None
    topics: str
    value: str
    in_successful_call: bool | None


def event_row(event: Event, decoded: DecodedEvent) -> EventRow:
    """Make the row of an event."""
    position = parse_event_id(event.id)
    if position.ledger != event.ledger:
        raise DecodeError(
            f"event {event.id} states ledger {event.ledger}, its id ledger {position.ledger}"
        )
    if event.type not in _TYPES:
        raise DecodeError(f"unknown event type: {event.type!r:.80}; expected contract or system")
    return EventRow(
        id=event.id,
        ledger=position.ledger,
        closed_at=rfc3339(event.ledger_closed_at),
        tx_hash=hash_hex(event.tx_hash),
        tx_index=position.tx,
        op_index=position.op,
        event_index=position.event,
        type=event.type,
        contract_id=address(event.contract_id, "C") if event.contract_id else None,
        topics=json_text(decoded.topics),
        value=json_text(decoded.value),
        in_successful_call=event.in_successful_contract_call,
    )
