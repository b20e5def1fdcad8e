"""Make the row of an event; all fields are checked, id and ledger agree."""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sorobanflow.decode.events import scval_json, topics_json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.values import hash_bytes, rfc3339
from sorobanflow.sources.items import Event
from sorobanflow.toid import Position, parse_event_id

_tx_hash = lru_cache(maxsize=256)(hash_bytes)  # the events of a transaction have the same
_contract = lru_cache(maxsize=4096)(lambda contract_id: address(contract_id, "C"))
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


def event_row(event: Event) -> EventRow:
    """Make the row of an event; DecodeError if a field, a topic or the value is bad."""
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
        rfc3339(event.ledger_closed_at),
        *position,
        _IS_SYSTEM[event.type],
        event.in_successful_contract_call,
        _tx_hash(event.tx_hash),
        _contract(event.contract_id) if event.contract_id else None,
        topics_json(event.topic or ()),
        scval_json(event.value),
    )
