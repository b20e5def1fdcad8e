"""Make the rows of items that could not be decoded.

Invariant: the payload is the whole item as JSON that can be stored: Unicode without NUL.
"""

import hashlib
import json
from collections.abc import Container, Mapping
from typing import NamedTuple

import msgspec

from sorobanflow.errors import DecodeError
from sorobanflow.rows.values import hash_hex, u32
from sorobanflow.sources.items import Event, Malformed, Transaction, is_misplaced
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


class Quarantined:
    """The rows of a batch's items that could not be decoded, one for each."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], QuarantineRow] = {}

    def add(self, kind: str, item: Item, ledger: int, error: Exception) -> None:
        """Add an item, under a ledger of the batch; again, it changes nothing."""
        row = quarantine_row(kind, item, ledger, error)
        known = self._rows.setdefault((kind, row.key), row)
        if known.payload != row.payload:
            row = row._replace(key=payload_key(row.payload))
            self._rows.setdefault((kind, row.key), row)

    def drop_misplaced(self, readable: Mapping[str, Container[str]]) -> None:
        """Drop misplaced copies of items that also came in their right place, by kind and key."""
        self._rows = {
            (kind, key): row
            for (kind, key), row in self._rows.items()
            if not (is_misplaced(row.error) and key in readable[kind])
        }

    def sorted(self) -> list[QuarantineRow]:
        """Give the rows in the order of kind and key."""
        return [self._rows[key] for key in sorted(self._rows)]


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
