"""Make what only whole ledgers tell: headers, and the state that no transaction changes.

Between `decode.close_metas` and `row_maker`. Invariants: the ledgers of a batch follow each other;
the rows of state are in the network's order, around those of the transactions.
Source: Stellar-ledger.x, CAP-62, CAP-66.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sorobanflow.decode.changes import Change
from sorobanflow.decode.close_meta import CloseMeta, Header
from sorobanflow.decode.proofs import check_chain
from sorobanflow.errors import DecodeError, LedgerProofError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.change_position import AFTER_TRANSACTIONS, BEFORE_TRANSACTIONS, UPGRADES
from sorobanflow.rows.contracts import evictions
from sorobanflow.rows.entry_rows import Changed, rows_of_changes
from sorobanflow.rows.headers import HeaderRow, header_row
from sorobanflow.rows.values import reading, unix_time


class WholeLedger(NamedTuple):
    """A whole ledger without its transactions and events."""

    header: Header
    row: HeaderRow  # without the counts of its rows
    origin: str  # the object that held it
    before: list[Changed]  # before all transactions
    after: list[Changed]  # after them


class WholeLedgers:
    """The whole ledgers of a batch, by their sequence."""

    def __init__(
        self, ledgers: LedgerRange, passphrase: str, anchor: tuple[int, str] | None
    ) -> None:
        self.by_sequence: dict[int, WholeLedger] = {}
        self._ledgers = ledgers
        self._passphrase = passphrase
        self._anchor = anchor

    def add(self, meta: CloseMeta, origin: str) -> None:
        """Add a ledger of the batch.

        Raises:
            DecodeError: it was added before, or a change outside of its transactions has no row.
            LedgerProofError: it is the anchor's ledger, and has another hash.
        """
        header = meta.header
        if header.sequence in self.by_sequence:
            raise DecodeError(f"ledger {header.sequence} of {origin} was delivered before")
        if self._anchor is not None and header.sequence == self._anchor[0]:
            _check_anchor(header, self._anchor[1], origin)
        before, after = _state(meta, self._passphrase)
        whole = WholeLedger(header, header_row(meta), origin, before, after)
        self.by_sequence[header.sequence] = whole

    def add_headers(self, rows: BatchRows) -> None:
        """Add what the headers say to the rows of the batch, if its ledgers came whole."""
        if not self.by_sequence:
            return
        operations = Counter(row.ledger for row in rows.operations)
        failed = Counter(row.ledger for row in rows.transactions if not row.successful)
        rows.is_whole = True
        for ledger, whole in sorted(self.by_sequence.items()):
            rows.headers[ledger] = whole.row._replace(
                operation_count=operations[ledger], failed_transaction_count=failed[ledger]
            )
            rows.closed_at[ledger] = unix_time(whole.header.closed_at)

    def check(self) -> None:
        """Check that the ledgers of the batch are all there, if they came whole.

        Raises:
            DecodeError: a ledger of the batch is missing.
            LedgerProofError: one does not state the hash of the one before it.
        """
        found, first = self.by_sequence, self._ledgers.first
        if not found:
            return
        for ledger in range(first, self._ledgers.last + 1):
            if ledger not in found:
                raise DecodeError(
                    f"ledger {ledger} is missing among the whole ledgers of {self._ledgers}; "
                    "expected each of them. Nothing of this batch was written"
                )
            if ledger > first:
                before, one = found[ledger - 1], found[ledger]
                check_chain(before.header, one.header, one.origin)


def _check_anchor(header: Header, trusted: str, origin: str) -> None:
    if header.hash != trusted:
        said = f"its hash is {header.hash}, that of the trusted anchor {trusted}"
        raise LedgerProofError(header.sequence, "anchor", said, origin)


def _state(meta: CloseMeta, passphrase: str) -> tuple[list[Changed], list[Changed]]:
    """Make the rows of state before and after the transactions of a ledger."""
    ledger = meta.header.sequence
    fees_before, fees_after = [one.before for one in meta.fees], [one.after for one in meta.fees]
    with reading(f"a change of ledger {ledger} outside of its transactions"):
        before = _rows(ledger, BEFORE_TRANSACTIONS, fees_before, passphrase)
        after = _rows(ledger, AFTER_TRANSACTIONS, fees_after, passphrase)
        after += _rows(ledger, UPGRADES, [one.changes for one in meta.upgrades], passphrase)
        return before, [*after, *evictions(meta)]


def _rows(
    ledger: int, tx_order: int, lists: Iterable[list[Change]], passphrase: str
) -> list[Changed]:
    """Make the rows of lists of changes; the list's number from 1 stands for the operation's."""
    numbered = [
        change._replace(op_order=number)
        for number, changes in enumerate(lists, 1)
        for change in changes
    ]
    return rows_of_changes(numbered, ledger, tx_order, passphrase)
