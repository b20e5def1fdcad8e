"""Make the rows of a batch: whole ledgers, every table.

The last pure step: what `rpc` fetched goes in, what `store` writes comes out.
Invariant: every item is either rows or a quarantine row, never both, never
neither, and never rows of a ledger outside the batch; delivering an item twice
changes nothing. A quarantine row of kind `token_operation` stands beside the
event's own row.
"""

from collections.abc import Iterable
from datetime import datetime

from sorobanflow.decode.events import DecodedEvent, decode_event
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.events import EventRow, event_row
from sorobanflow.rows.operations import OperationRow, operation_rows
from sorobanflow.rows.quarantine import (
    Item,
    QuarantineRow,
    payload_key,
    quarantine_row,
    stated_ledger,
)
from sorobanflow.rows.tokens import TokenOperationRow, token_operation_row
from sorobanflow.rows.transactions import TransactionRow, transaction_row
from sorobanflow.rpc.wire import Event, Malformed, Transaction


class Batch:
    """The rows of a range of whole ledgers, each list in chain order.

    `closed_at` gives the close time of every ledger that has a row. A plain
    class on purpose: Prefect walks into dataclasses that it is handed.
    """

    def __init__(self, ledgers: LedgerRange) -> None:
        self.ledgers = ledgers
        self.events: list[EventRow] = []
        self.transactions: list[TransactionRow] = []
        self.operations: list[OperationRow] = []
        self.token_operations: list[TokenOperationRow] = []
        self.quarantine: list[QuarantineRow] = []
        self.closed_at: dict[int, datetime] = {}

    def counts(self) -> dict[str, int]:
        """Number of rows per table."""
        return {
            "events": len(self.events),
            "transactions": len(self.transactions),
            "operations": len(self.operations),
            "token_operations": len(self.token_operations),
            "quarantine": len(self.quarantine),
        }


def make_batch(
    ledgers: LedgerRange,
    events: Iterable[Event | Malformed],
    transactions: Iterable[Transaction | Malformed],
    passphrase: str,
) -> Batch:
    """Make the rows of a batch.

    Never raises for what an item holds: a bad one goes to quarantine.

    Args:
        ledgers: The batch's ledgers, both ends included.
        events: Events of these ledgers as delivered, in any order.
        transactions: Transactions of these ledgers, likewise.
        passphrase: Of the network.
    """
    rows = _Rows(ledgers, passphrase)
    rows.add("transaction", transactions)
    rows.add("event", events)  # after the transactions, which know whether they were applied
    return rows.batch()


class _Rows:
    """Rows under their keys while the items come in."""

    def __init__(self, ledgers: LedgerRange, passphrase: str) -> None:
        self._ledgers = ledgers
        self._passphrase = passphrase
        self._transactions: dict[str, tuple[TransactionRow, list[OperationRow]]] = {}
        self._events: dict[str, EventRow] = {}
        self._tokens: dict[str, TokenOperationRow] = {}
        self._quarantine: dict[tuple[str, str], QuarantineRow] = {}

    def add(self, kind: str, items: Iterable[Item]) -> None:
        """Add items of one kind in the order of delivery."""
        ledger = self._ledgers.first
        for item in items:
            ledger = self._ledger_of(item, ledger)
            try:
                self._add_one(item)
            except Exception as error:  # one bad item must never abort a batch
                self._set_aside(kind, item, ledger, error)

    def batch(self) -> Batch:
        """Give the rows in chain order."""
        batch = Batch(self._ledgers)
        entries = sorted(self._transactions.values(), key=lambda entry: _order(entry[0]))
        batch.transactions = [row for row, _ in entries]
        batch.operations = [operation for _, operations in entries for operation in operations]
        batch.events = [self._events[key] for key in sorted(self._events)]
        batch.token_operations = [self._tokens[key] for key in sorted(self._tokens)]
        batch.quarantine = [self._quarantine[key] for key in sorted(self._quarantine)]
        batch.closed_at = {event.ledger: event.closed_at for event in reversed(batch.events)}
        batch.closed_at |= {row.ledger: row.closed_at for row in reversed(batch.transactions)}
        return batch

    def _ledger_of(self, item: Item, neighbour: int) -> int:
        """Give the item's ledger, or its neighbour's where it does not name one of the batch.

        The batch speaks for its own ledgers only, so a quarantine row must stand
        under one of them: fetching these again is what clears it.
        """
        stated = stated_ledger(item)
        return stated if stated is not None and self._ledgers.holds(stated) else neighbour

    def _add_one(self, item: Item) -> None:
        if isinstance(item, Malformed):
            raise DecodeError(item.error)
        if not self._ledgers.holds(item.ledger):
            raise DecodeError(f"it is of ledger {item.ledger}, the batch of {self._ledgers}")
        if isinstance(item, Transaction):
            self._add_transaction(item)
        else:
            self._add_event(item)

    def _add_transaction(self, item: Transaction) -> None:
        decoded = decode_transaction(item)
        row = transaction_row(item, decoded)
        entry = (row, operation_rows(row, decoded))
        if self._transactions.setdefault(row.hash, entry) != entry:
            raise DecodeError(f"another transaction {row.hash} was delivered before")

    def _add_event(self, item: Event) -> None:
        decoded = decode_event(item)
        row = event_row(item, decoded)
        if self._events.setdefault(row.id, row) != row:
            raise DecodeError(f"another event {row.id} was delivered before")
        try:
            self._add_token_operation(row, decoded)
        except Exception as error:  # the event itself is sound and stays
            self._set_aside("token_operation", item, row.ledger, error)

    def _add_token_operation(self, row: EventRow, decoded: DecodedEvent) -> None:
        entry = self._transactions.get(row.tx_hash)
        successful = row.in_successful_call if entry is None else entry[0].successful
        token = token_operation_row(row, decoded, self._passphrase, successful)
        if token is not None:
            self._tokens[row.id] = token

    def _set_aside(self, kind: str, item: Item, ledger: int, error: Exception) -> None:
        row = quarantine_row(kind, item, ledger, error)
        known = self._quarantine.setdefault((kind, row.key), row)
        if known.payload != row.payload:
            row = row._replace(key=payload_key(row.payload))
            self._quarantine.setdefault((kind, row.key), row)


def _order(row: TransactionRow) -> tuple[int, int, str]:
    return row.ledger, row.application_order, row.hash
