"""The state after a batch's transactions: the newest row of each key.

Collects the rows that `accounts`, `contracts` and `token_state` make of changes. `store`
compares them with stored rows of the same keys by their positions. Invariant: the stored
result does not depend on how the ledgers were divided into batches.
"""

from typing import TypeVar

from sorobanflow.decode.changes import Change, Refund
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.accounts import account_row
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.contracts import code_row, data_row, entry_finder, ttl_row
from sorobanflow.rows.state_rows import (
    AccountRow,
    ContractCodeRow,
    ContractDataRow,
    TokenBalanceRow,
    TokenMetadataRow,
)
from sorobanflow.rows.token_state import (
    account_balance,
    contract_balance,
    token_metadata,
    trustline_balance,
)
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.rows.values import reading
from sorobanflow.toid import MAX_TX

MAX_BALANCE = 2**63 - 1

ContractRow = TypeVar("ContractRow", ContractDataRow, ContractCodeRow)

_TTL = ("live_until_ledger", "ttl_ledger", "ttl_tx_order")
#: The parts that a row may leave out, by the column that is then null.
_DATA_PARTS = {
    "ledger": ("value", "value_xdr", "deleted", *ChangePosition._fields),
    "ttl_ledger": _TTL,
    "created_ledger": ("created_ledger", "created_tx_order", "created_tx_hash"),
}
_CODE_PARTS = {
    "ledger": ("code", "size", "deleted", *ChangePosition._fields),
    "ttl_ledger": _TTL,
    "first_ledger": ("first_ledger", "first_tx_order", "first_tx_hash"),
}


class State:
    """The newest row of each key, by table; changes are added in chain order."""

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase
        self.contract_data_entries: dict[str, ContractDataRow] = {}
        self.contract_code: dict[str, ContractCodeRow] = {}
        self.account_entries: dict[str, AccountRow] = {}
        self.token_metadata: dict[str, TokenMetadataRow] = {}
        self.token_balances: dict[tuple[str, str], TokenBalanceRow] = {}

    def absorb(self, later: "State") -> None:
        """Add the state of a later transaction."""
        for data in later.contract_data_entries.values():
            self._put_data(data)
        for code in later.contract_code.values():
            self._put_code(code)
        self.account_entries |= later.account_entries
        self.token_metadata |= later.token_metadata
        self.token_balances |= later.token_balances

    def apply(self, row: TransactionRow, decoded: DecodedTransaction) -> None:
        """Add the changes of one transaction.

        Raises:
            DecodeError: an entry does not have its form.
        """
        if any(refund.stroops > row.fee_bid for refund in decoded.meta.refunds):
            raise DecodeError(f"transaction {row.hash} is refunded more than it bid")
        find_entry = entry_finder(decoded.meta.changes, decoded.envelope)
        with reading(f"a change of transaction {row.hash}"):
            for change in decoded.meta.changes:
                position = ChangePosition(
                    row.ledger, row.application_order, change.op_order, change.change_order
                )
                if change.type == "ttl":
                    self._put_ttl(ttl_row(change, position, find_entry(change)))
                else:
                    self._apply(change, position, row.hash)

    def refund(self, ledger: int, number: int, refund: Refund) -> None:
        """Add a refund of fees to an account, after all transactions of a ledger.

        Args:
            ledger: A ledger of which all transactions were added, and none of a later one.
            number: Of the refund in the ledger, from 0.
            refund: The account and the amount.
        """
        row = self.account_entries.get(refund.account)
        # The payer's own transaction changed it in this ledger, so it is here. An account
        # that was merged meanwhile is refunded nothing.
        if row is None or row.ledger != ledger or row.balance is None:
            return
        position = ChangePosition(ledger, MAX_TX, 0, number)
        balance = min(row.balance + refund.stroops, MAX_BALANCE)
        self._put_account(row._replace(balance=balance, **position._asdict()), position)

    def _apply(self, change: Change, position: ChangePosition, tx_hash: str) -> None:
        if change.type == "account":
            self._put_account(account_row(change, position), position)
        elif change.type == "trustline":
            self._put_balance(trustline_balance(change, position, self._passphrase))
        elif change.type == "contract_code":
            self._put_code(code_row(change, position, tx_hash))
        elif change.type == "contract_data":
            self._put_data(data_row(change, position, tx_hash))
            self._put_balance(contract_balance(change, position))
            metadata = token_metadata(change, position, self._passphrase)
            if metadata is not None:
                self.token_metadata[metadata.contract_id] = metadata

    def _put_account(self, row: AccountRow, position: ChangePosition) -> None:
        self.account_entries[row.account_id] = row
        self._put_balance(account_balance(row, position, self._passphrase))

    def _put_balance(self, row: TokenBalanceRow | None) -> None:
        if row is not None:
            self.token_balances[row.contract_id, row.address] = row

    def _put_ttl(self, row: ContractDataRow | ContractCodeRow) -> None:
        if isinstance(row, ContractDataRow):
            self._put_data(row)
        else:
            self._put_code(row)

    def _put_data(self, row: ContractDataRow) -> None:
        old = self.contract_data_entries.get(row.key_hash)
        self.contract_data_entries[row.key_hash] = _newest(old, row, _DATA_PARTS)

    def _put_code(self, row: ContractCodeRow) -> None:
        old = self.contract_code.get(row.wasm_hash)
        self.contract_code[row.wasm_hash] = _newest(old, row, _CODE_PARTS)


def _newest(
    old: ContractRow | None, new: ContractRow, parts: dict[str, tuple[str, ...]]
) -> ContractRow:
    """Return the newer row, with the parts that it leaves out taken from the older."""
    if old is None:
        return new
    kept = {
        column: getattr(old, column)
        for null, columns in parts.items()
        if getattr(new, null) is None
        for column in columns
    }
    return new._replace(**kept) if kept else new
