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
    closed_at, ledger, tx_index, op_index, is_system, tx_hash = _of_operation(
        event.id[:19], event.ledger, event.ledger_closed_at, event.type, event.tx_hash
    )
    return EventRow(
        closed_at,
        ledger,
        tx_index,
        op_index,
        _index(event.id[19:]),
        is_system,
        event.in_successful_contract_call,
        tx_hash,
        _contract(event.contract_id) if event.contract_id else None,
        topics_json(event.topic or ()),
        scval_json(event.value),
    )


@lru_cache(maxsize=256)
def _of_operation(
    toid: str, ledger: int, closed_at: str, kind: str, tx_hash: str
) -> tuple[datetime, int, int, int, bool, bytes]:
    """Read and check what the events of an operation share: time, place, type and transaction."""
    position = parse_event_id(f"{toid}-0000000000")
    if position.ledger != ledger:
        raise DecodeError(
            f"an event of {toid} states ledger {ledger}, its id ledger {position.ledger}"
        )
    if kind not in _IS_SYSTEM:
        raise DecodeError(f"unknown event type: {kind!r:.80}; expected contract or system")
    return rfc3339(closed_at), *position[:3], _IS_SYSTEM[kind], hash_bytes(tx_hash)


@lru_cache(maxsize=4096)
def _index(text: str) -> int:
    """Read an event's number within its operation, from the end of its id."""
    index = parse_event_id(f"{0:019d}{text}").event
    if index > MAX_INDEX:
        raise DecodeError(f"event {text} of its operation has an index above {MAX_INDEX:,}")
    return index
