"""The newest row of each key after a batch; `store` compares it with the stored one.

Invariant: the stored result does not depend on how the ledgers were divided into batches.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from sorobanflow.decode.changes import Meta, Refund
from sorobanflow.rows.balances import account_balance
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.entry_rows import Changed, PendingChange, pending_rows
from sorobanflow.rows.executables import (
    STELLAR_ASSET,
    ExecutableRow,
    Place,
    WasmRow,
    changed,
)
from sorobanflow.rows.state_rows import (
    AccountDataRow,
    AccountRow,
    ClaimableBalanceRow,
    ContractCodeRow,
    ContractDataRow,
    LiquidityPoolRow,
    OfferRow,
    TokenBalanceRow,
    TokenMetadataRow,
    TrustLineRow,
)
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.rows.values import reading
from sorobanflow.toid import MAX_TX

MAX_BALANCE = 2**63 - 1

ContractRow = TypeVar("ContractRow", ContractDataRow, ContractCodeRow)

_TTL = ("live_until_ledger", "evicted", "ttl_ledger", "ttl_tx_order")
#: The parts that a row may leave out, by the column that is then null.
_DATA_PARTS = {
    "ledger": ("value", "deleted", *ChangePosition._fields),
    "ttl_ledger": _TTL,
    "created_ledger": ("created_ledger", "created_tx_order", "created_tx_hash"),
}
_CODE_PARTS = {
    "ledger": ("code", "size", "deleted", *ChangePosition._fields),
    "ttl_ledger": _TTL,
    "first_ledger": ("first_ledger", "first_tx_order", "first_tx_hash"),
}


def refunds_of(row: TransactionRow, meta: Meta) -> list[Refund]:
    """List the refunds of a transaction; one of an unknown amount if its meta would not state it.

    Only transactions of contracts pay fees of which a part is refunded.
    """
    if meta.states_refunds or row.soroban_resource_fee is None:
        return meta.refunds
    return [Refund(row.payer, None)]


class State:
    """The newest row of each key, by table; rows are added in chain order.

    `finish` completes them: until then, rows of pending changes are missing. `replaced`: where
    contracts replaced their Wasm.
    """

    def __init__(self, passphrase: str, replaced: AbstractSet[Place] = frozenset()) -> None:
        self._passphrase = passphrase
        self._replaced = replaced
        self._pending: dict[tuple[str, ...], PendingChange] = {}
        self.contract_data_entries: dict[str, ContractDataRow] = {}
        self.contract_code: dict[str, ContractCodeRow] = {}
        self.account_entries: dict[str, AccountRow] = {}
        self.trust_lines: dict[tuple[str, str], TrustLineRow] = {}
        self.offers: dict[int, OfferRow] = {}
        self.liquidity_pools: dict[str, LiquidityPoolRow] = {}
        self.claimable_balances: dict[str, ClaimableBalanceRow] = {}
        self.account_data: dict[tuple[str, str], AccountDataRow] = {}
        self.token_metadata: dict[str, TokenMetadataRow] = {}
        self.token_balances: dict[tuple[str, str], TokenBalanceRow] = {}
        self.contract_executables: dict[tuple[Any, ...], ExecutableRow] = {}
        self.contract_specs: dict[str, WasmRow] = {}
        # By type of row: the rows that a newer one replaces whole; their key stands first.
        self._of_one_key: dict[type, dict[Any, Any]] = {
            AccountRow: self.account_entries,
            OfferRow: self.offers,
            LiquidityPoolRow: self.liquidity_pools,
            ClaimableBalanceRow: self.claimable_balances,
            TokenMetadataRow: self.token_metadata,
        }
        self._of_two_keys: dict[type, dict[Any, Any]] = {
            TrustLineRow: self.trust_lines,
            AccountDataRow: self.account_data,
            TokenBalanceRow: self.token_balances,
        }

    def finish(self) -> dict[str, dict[Any, Any]]:
        """Make the rows of pending changes; return all rows by the name of their table."""
        for pending in self._pending.values():
            with reading(f"the newest change of {' '.join(pending.key)}"):
                self.add(pending_rows(pending, self._passphrase))
        self._pending.clear()
        return {
            "contract_data_entries": self.contract_data_entries,
            "contract_code": self.contract_code,
            "account_entries": self.account_entries,
            "trust_lines": self.trust_lines,
            "offers": self.offers,
            "liquidity_pools": self.liquidity_pools,
            "claimable_balances": self.claimable_balances,
            "account_data": self.account_data,
            "token_metadata": self.token_metadata,
            "token_balances": self.token_balances,
            "contract_executables": self.contract_executables,
            "contract_specs": self.contract_specs,
        }

    def add(self, rows: Iterable[Changed]) -> None:
        """Add rows that are newer than all before."""
        for row in rows:
            kind = type(row)
            if isinstance(row, PendingChange):
                self._pending[row.key] = row
            elif kind in self._of_two_keys:
                self._of_two_keys[kind][row[:2]] = row
            elif kind in self._of_one_key:
                self._of_one_key[kind][row[0]] = row
            elif isinstance(row, ContractDataRow):
                data = self.contract_data_entries.get(row.key_hash)
                self.contract_data_entries[row.key_hash] = _newest(data, row, _DATA_PARTS)
            elif isinstance(row, ContractCodeRow):
                code = self.contract_code.get(row.wasm_hash)
                self.contract_code[row.wasm_hash] = _newest(code, row, _CODE_PARTS)
                self._see(row.wasm_hash)
            elif isinstance(row, ExecutableRow):
                self._see(row.wasm_hash)
                if (change := changed(row, self._replaced)) is not None:
                    self._see(change.wasm_before)
                    self.contract_executables[row[:5]] = change

    def _see(self, wasm_hash: str | None) -> None:
        if wasm_hash is not None and wasm_hash != STELLAR_ASSET:
            self.contract_specs[wasm_hash] = WasmRow(wasm_hash)

    def refund(self, ledger: int, number: int, refund: Refund) -> None:
        """Add a refund of fees, numbered from 0, after all transactions of the last ledger.

        One of an unknown amount marks the account until a later ledger states its balance.
        """
        if pending := self._pending.pop(("account", refund.account), None):
            self.add(pending_rows(pending, self._passphrase))
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
