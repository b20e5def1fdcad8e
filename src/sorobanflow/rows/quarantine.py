"""Make the row of an item that could not be decoded.

Invariant: the payload is the whole item as JSON that can be stored: Unicode without NUL.
"""

import hashlib
import json
from typing import NamedTuple

import msgspec

from sorobanflow.errors import DecodeError
from sorobanflow.rows.values import hash_hex, u32
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.toid import parse_event_id

Item = Event | Transaction | Malformed

_MAX_ERROR_LENGTH = 1000


class QuarantineRow(NamedTuple):
    """A row of `quarantine`, without the columns that the store fills."""

    kind: str
    key: str
    ledger: int
    payload: str
    error_class: str
    error: str


def quarantine_row(kind: str, item: Item, ledger: int, error: Exception) -> QuarantineRow:
    """Make the row of an item, which is stored under a ledger of its batch."""
    payload = payload_of(item)
    return QuarantineRow(
        kind=kind,
        key=_key(kind, item) or payload_key(payload),
        ledger=ledger,
        payload=payload,
        error_class=type(error).__name__,
        error=_storable(str(error))[:_MAX_ERROR_LENGTH],
    )


def payload_of(item: Item) -> str:
    """Write the item as JSON, with the field names of the wire."""
    if isinstance(item, Malformed):
        return _storable(item.payload)
    try:
        return _storable(msgspec.json.encode(item).decode())
    except UnicodeEncodeError:  # a lone surrogate, which only `json` can escape
        return json.dumps(msgspec.to_builtins(item), separators=(",", ":"))


def payload_key(payload: str) -> str:
    """Return the key of an item without an id: SHA-256 of the payload, hex."""
    return hashlib.sha256(payload.encode()).hexdigest()


def stated_ledger(item: Item) -> int | None:
    """Return the ledger that an item states, if it can be read."""
    if not isinstance(item, Malformed):
        return item.ledger
    fields = item.fields
    try:
        return u32(fields["ledger"]) if "ledger" in fields else parse_event_id(fields["id"]).ledger
    except (DecodeError, LookupError, TypeError):
        return None


def _key(kind: str, item: Item) -> str | None:
    try:
        if isinstance(item, Transaction):
            return hash_hex(item.tx_hash)
        if isinstance(item, Event):
            return parse_event_id(item.id).event_id
        if kind == "transaction":
            return hash_hex(item.fields["txHash"])
        return parse_event_id(item.fields["id"]).event_id
    except (DecodeError, LookupError, TypeError):
        return None


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
