"""Make the row of an event, after `decode.events`; all fields are checked, id and ledger agree."""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sorobanflow.decode.events import DecodedEvent
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.values import hash_bytes, json_text, rfc3339
from sorobanflow.sources.items import Event
from sorobanflow.toid import Position, parse_event_id

_tx_hash = lru_cache(maxsize=256)(hash_bytes)  # the events of a transaction have the same
_IS_SYSTEM = {"contract": False, "system": True}
#: Largest index of an event that a row can hold; no ledger comes near it.
MAX_INDEX = 2**31 - 1


class EventRow(NamedTuple):
    """A row of `events`; topics and value are JSON text."""

    closed_at: datetime
    ledger: int
    tx_index: int
    op_index: int
    event_index: int
    is_system: bool
    in_successful_call: bool | None
    tx_hash: bytes
    contract_id: str | None
    topics: str
    value: str

    @property
    def id(self) -> str:
        """The event's id, which the view shows."""
        return Position(self.ledger, self.tx_index, self.op_index, self.event_index).event_id


def event_row(event: Event, decoded: DecodedEvent) -> EventRow:
    """Make the row of an event."""
    position = parse_event_id(event.id)
    if position.ledger != event.ledger:
        raise DecodeError(
            f"event {event.id} states ledger {event.ledger}, its id ledger {position.ledger}"
        )
    if event.type not in _IS_SYSTEM:
        raise DecodeError(f"unknown event type: {event.type!r:.80}; expected contract or system")
    if position.event > MAX_INDEX:
        raise DecodeError(f"event {event.id} has an index above {MAX_INDEX:,}")
    return EventRow(
        closed_at=rfc3339(event.ledger_closed_at),
        ledger=position.ledger,
        tx_index=position.tx,
        op_index=position.op,
        event_index=position.event,
        is_system=_IS_SYSTEM[event.type],
        in_successful_call=event.in_successful_contract_call,
        tx_hash=_tx_hash(event.tx_hash),
        contract_id=address(event.contract_id, "C") if event.contract_id else None,
        topics=json_text(decoded.topics),
        value=json_text(decoded.value),
    )
