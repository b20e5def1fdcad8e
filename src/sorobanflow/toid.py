"""Positions on the chain: TOIDs, event ids and the cursors made of them.

A TOID (SEP-35) packs a ledger, a transaction and an operation into 64 bits; it is the
cursor of getTransactions. An event id, the cursor of getEvents, is a TOID and the
event's index, zero-padded, so that ids sort as the chain does.
"""

import re
from typing import NamedTuple

from sorobanflow.errors import DecodeError

MAX_TX = 2**20 - 1
MAX_OP = 2**12 - 1
MAX_EVENT = 2**32 - 1

_EVENT_ID = re.compile(r"([0-9]{19})-([0-9]{10})", re.ASCII)


def toid(ledger: int, tx: int, op: int) -> int:
    """Pack a position into the 64-bit number of SEP-35."""
    return (ledger << 32) | (tx << 12) | op


class Position(NamedTuple):
    """Position of an event; compares in chain order.

    `tx` is 1-based; 0 for the fee events before all transactions, `MAX_TX` for the refunds
    after them. `op` is 0-based; `MAX_OP` for the events after a transaction.
    """

    ledger: int
    tx: int
    op: int
    event: int

    @property
    def event_id(self) -> str:
        """The event's id, which is also the cursor of a page that starts after it."""
        return f"{toid(self.ledger, self.tx, self.op):019d}-{self.event:010d}"

    @property
    def ends_ledger(self) -> bool:
        """Whether no event of the ledger can follow this position."""
        return (self.tx, self.op, self.event) == (MAX_TX, MAX_OP, MAX_EVENT)


def end_of_ledger(ledger: int) -> Position:
    """Give the position after the last event that the ledger could have."""
    return Position(ledger, MAX_TX, MAX_OP, MAX_EVENT)


def parse_event_id(text: str) -> Position:
    """Take an event id or a getEvents cursor apart.

    Raises:
        DecodeError: the text is not an event id.
    """
    match = _EVENT_ID.fullmatch(text)
    packed, event = (int(match[1]), int(match[2])) if match else (0, MAX_EVENT + 1)
    if packed >= 2**63 or event > MAX_EVENT:
        raise DecodeError(f"not an event id: {text[:80]!r}; expected 19 digits, '-', 10 digits")
    return Position(packed >> 32, (packed >> 12) & MAX_TX, packed & MAX_OP, event)


class TxPosition(NamedTuple):
    """Position of a transaction: `order` is 1-based; 0 is the start of the ledger."""

    ledger: int
    order: int

    @property
    def cursor(self) -> str:
        """The getTransactions cursor of a page that starts after this position."""
        return str(toid(self.ledger, self.order, 1))


def parse_transactions_cursor(text: str) -> TxPosition:
    """Take a getTransactions cursor apart.

    Raises:
        DecodeError: the text is not a decimal TOID.
    """
    if len(text) > 19 or not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
        raise DecodeError(f"not a getTransactions cursor: {text[:80]!r}; expected a decimal TOID")
    packed = int(text)
    return TxPosition(packed >> 32, (packed >> 12) & MAX_TX)
