"""The newest row of each key after a batch; `store` compares it with the stored one.

Invariant: the stored result does not depend on how the ledgers were divided into batches.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from sorobanflow.decode.changes import Change, Meta, Refund
from sorobanflow.decode.entries import Entry
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.accounts import account_row
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.contracts import code_row, data_row, entries_with_ttl, ttl_row
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

StateRow: TypeAlias = (
    AccountRow | ContractCodeRow | ContractDataRow | TokenBalanceRow | TokenMetadataRow
)
ContractRow = TypeVar("ContractRow", ContractDataRow, ContractCodeRow)

_TTL = ("live_until_ledger", "evicted", "ttl_ledger", "ttl_tx_order")
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


def state_rows(row: TransactionRow, decoded: DecodedTransaction, passphrase: str) -> list[StateRow]:
    """Make the rows of a transaction's changes, in order; DecodeError for a bad entry or refund."""
    if any((refund.stroops or 0) > row.fee_bid for refund in decoded.meta.refunds):
        raise DecodeError(f"transaction {row.hash} is refunded more than it bid")
    with reading(f"a change of transaction {row.hash}"):
        changes = decoded.meta.changes
        owners = entries_with_ttl(changes, decoded.envelope)
        rows = _rows(changes, (row.ledger, row.application_order), owners, row.hash, passphrase)
        return [changed for changed in rows if changed is not None]


def rows_of_changes(
    changes: list[Change], ledger: int, tx_order: int, passphrase: str
) -> list[StateRow]:
    """Make the rows of changes outside of transactions, in order."""
    rows = _rows(changes, (ledger, tx_order), entries_with_ttl(changes), None, passphrase)
    return [changed for changed in rows if changed is not None]


def _rows(
    changes: list[Change],
    place: tuple[int, int],
    owners: Mapping[str | None, Change | Entry],
    tx_hash: str | None,
    passphrase: str,
) -> Iterator[StateRow | None]:
    for change in changes:
        position = ChangePosition(*place, change.op_order, change.change_order)
        if change.type == "account":
            account = account_row(change, position)
            yield account
            yield account_balance(account, passphrase)
        elif change.type == "trustline":
            yield trustline_balance(change, position, passphrase)
        elif change.type == "contract_code":
            yield code_row(change, position, tx_hash)
        elif change.type == "contract_data":
            yield data_row(change, position, tx_hash)
            yield contract_balance(change, position)
            yield token_metadata(change, position, passphrase)
        elif change.key_hash in owners:
            yield ttl_row(change, position, owners[change.key_hash])
        else:
            raise DecodeError(f"no entry for the time to live {change.key_hash}")


def refunds_of(row: TransactionRow, meta: Meta) -> list[Refund]:
    """List the refunds of a transaction; one of an unknown amount if its meta would not state it.

    Only transactions of contracts pay fees of which a part is refunded.
    """
    if meta.states_refunds or row.soroban_resource_fee is None:
        return meta.refunds
    return [Refund(row.fee_account, None)]


class State:
    """The newest row of each key, by table; rows are added in chain order."""

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase
        self.contract_data_entries: dict[str, ContractDataRow] = {}
        self.contract_code: dict[str, ContractCodeRow] = {}
        self.account_entries: dict[str, AccountRow] = {}
        self.token_metadata: dict[str, TokenMetadataRow] = {}
        self.token_balances: dict[tuple[str, str], TokenBalanceRow] = {}

    def add(self, rows: Iterable[StateRow]) -> None:
        """Add rows that are newer than all before."""
        for row in rows:
            if isinstance(row, TokenBalanceRow):
                self.token_balances[row.contract_id, row.address] = row
            elif isinstance(row, AccountRow):
                self.account_entries[row.account_id] = row
            elif isinstance(row, ContractDataRow):
                data = self.contract_data_entries.get(row.key_hash)
                self.contract_data_entries[row.key_hash] = _newest(data, row, _DATA_PARTS)
            elif isinstance(row, ContractCodeRow):
                code = self.contract_code.get(row.wasm_hash)
                self.contract_code[row.wasm_hash] = _newest(code, row, _CODE_PARTS)
            else:
                self.token_metadata[row.contract_id] = row

    def refund(self, ledger: int, number: int, refund: Refund) -> None:
        """Add a refund of fees, numbered from 0, after all transactions of the last ledger.

        One of an unknown amount marks the account until a later ledger states its balance.
        """
        row = self.account_entries.get(refund.account)
        # The payer's own transaction changed it in this ledger, so it is here. An account
        # that was merged meanwhile is refunded nothing.
        if row is None or row.ledger != ledger or row.balance is None:
            return
        if refund.stroops is None:
            self.account_entries[refund.account] = row._replace(refund_unknown=True)
            return
        position = ChangePosition(ledger, MAX_TX, 0, number)
        balance = min(row.balance + refund.stroops, MAX_BALANCE)
        account = row._replace(balance=balance, **position._asdict())
        self.add([account, account_balance(account, self._passphrase)])


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
