"""The newest row of each key after a batch; `store` compares it with the stored one.

Invariant: the stored result does not depend on how the ledgers were divided into batches.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from sorobanflow.decode.changes import Meta, Refund
from sorobanflow.decode.strkeys import ACCOUNT_ID
from sorobanflow.rows.accounts import account_row
from sorobanflow.rows.balances import account_balance, contract_balance
from sorobanflow.rows.change_position import ChangePosition, PlacedChange
from sorobanflow.rows.contracts import ContractEntry, Life
from sorobanflow.rows.entry_rows import Changed, StateRow, line_or_offer_rows
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
        self._accounts: dict[str, PlacedChange] = {}
        self._refunds: dict[str, list[tuple[int, Refund]]] = {}  # numbered; since those changes
        self._lines_and_offers: dict[bytes, PlacedChange] = {}  # by LedgerKey
        self._contracts: dict[bytes, ContractEntry] = {}  # by the hash of their LedgerKey
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
        """Make the rows of what the changes left; return all rows by the name of their table."""
        with reading("the newest change of an entry"):
            for key_hash, entry in self._contracts.items():
                self._finish_contract(key_hash, entry)
            for account, placed in self._accounts.items():
                self._keep(self._account_rows(placed, self._refunds.get(account, ())))
            for placed in self._lines_and_offers.values():
                self._keep(line_or_offer_rows(placed, self._passphrase))
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
        """Add changes that are newer than all before."""
        for row in rows:
            if isinstance(row, PlacedChange):
                self._place(row)
            elif isinstance(row, Life):
                self._contract(row.key_hash, row.key_xdr).life = row
            else:
                self._keep((row,))

    def _place(self, placed: PlacedChange) -> None:
        change = placed.change
        if change.key_hash is not None:
            self._contract(change.key_hash, change.key_xdr).add(placed)
            return
        if change.type != "account":
            # The newest stands last: a key names the seller too, a row of an offer only its id.
            self._lines_and_offers.pop(change.key_xdr, None)
            self._lines_and_offers[change.key_xdr] = placed
            return
        account, _ = ACCOUNT_ID.read(change.key_xdr, 4)
        self._accounts[account] = placed
        self._refunds.pop(account, None)

    def _contract(self, key_hash: bytes, key_xdr: bytes) -> ContractEntry:
        entry = self._contracts.get(key_hash)
        if entry is None:
            entry = self._contracts[key_hash] = ContractEntry(key_xdr)
        return entry

    def _finish_contract(self, key_hash: bytes, entry: ContractEntry) -> None:
        row = entry.row(key_hash)
        if isinstance(row, ContractCodeRow):
            self.contract_code[row.wasm_hash] = row
            self._see(row.wasm_hash)
        else:
            self.contract_data_entries[row.key_hash] = row
            balance = contract_balance(row, entry)
            if balance is not None:
                self._keep((balance,))

    def _keep(self, rows: Iterable[StateRow]) -> None:
        """Keep rows in place of older ones of their keys."""
        for row in rows:
            kind = type(row)
            if kind in self._of_two_keys:
                self._of_two_keys[kind][row[:2]] = row
            elif kind in self._of_one_key:
                self._of_one_key[kind][row[0]] = row
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
        placed = self._accounts.get(refund.account)
        # The payer's own transaction changed it in this ledger, so it is here. An account
        # that was merged meanwhile is refunded nothing.
        if placed is not None and placed.ledger == ledger and placed.change.entry_xdr is not None:
            self._refunds.setdefault(refund.account, []).append((number, refund))

    def _account_rows(
        self, placed: PlacedChange, refunds: Iterable[tuple[int, Refund]]
    ) -> Iterable[StateRow]:
        """Make the row of an account, after the refunds of its ledger, and that of its balance."""
        row = account_row(placed.change.parts(), placed.position)
        for number, refund in refunds:
            if refund.stroops is None or row.balance is None:
                row = row._replace(refund_unknown=True)
            else:
                position = ChangePosition(placed.ledger, MAX_TX, 0, number)
                balance = min(row.balance + refund.stroops, MAX_BALANCE)
                row = row._replace(balance=balance, **position._asdict())
        return row, account_balance(row, self._passphrase)
