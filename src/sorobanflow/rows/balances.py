"""Make the rows of what addresses hold of tokens, from the entries that state it.

Accounts hold the native asset; trust lines, issued assets or shares of a pool; claimable balances
and liquidity pools, any asset; contract data, a token under `Vec["Balance", address]`. The
contract id of an asset is computed, even if it was never deployed.
Invariant: a contract may store what it likes, so an unknown form is no error.
Source: stellar-core's asset contract, SEP-41, CAP-67 (addresses of balances and pools).
"""

from typing import TypeAlias

from sorobanflow.decode.entries import EntryParts
from sorobanflow.decode.reader import Json
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.decode.strkeys import SC_ADDRESS
from sorobanflow.errors import DecodeError
from sorobanflow.rows.classic import claimable_asset, pool_assets
from sorobanflow.rows.contracts import ContractEntry
from sorobanflow.rows.state_rows import (
    AccountRow,
    ClaimableBalanceRow,
    ContractDataRow,
    LiquidityPoolRow,
    TokenBalanceRow,
    TrustLineRow,
)
from sorobanflow.rows.tokens import asset_contract_id
from sorobanflow.rows.values import content, i128, symbol_map

_NATIVE = "native"
#: In a LedgerKey of contract data: an address of a contract, after the type, and its key after it.
_CONTRACT, _CONTRACT_KEY_AT = (1).to_bytes(4, "big"), 40
#: How the SCVal Vec["Balance", address] begins; then follows the SCAddress.
_BALANCE_KEY = (
    bytes.fromhex("00000010 00000001 00000002 0000000f 00000007") + b"Balance\0\0\0\0\x12"
)
_Balance: TypeAlias = tuple[int | None, bool | None, bool | None]  # amount, authorized, clawback


def account_balance(row: AccountRow, passphrase: str) -> TokenBalanceRow:
    """Make the row of an account's native balance, in stroops."""
    contract_id = _contract_of(_NATIVE, passphrase)
    authorized, clawback = (None, None) if row.deleted else (True, False)
    values = row.balance or 0, authorized, clawback, _NATIVE, "account"
    return TokenBalanceRow(contract_id, row.account_id, *values, *row[-6:-1])


def trust_line_balance(row: TrustLineRow, passphrase: str) -> TokenBalanceRow:
    """Make the row of a trust line; the pool itself stands for the contract of its shares."""
    amount, contract_id = row.balance or 0, contract_of_line(row.asset, passphrase)
    if contract_id == row.asset:
        shares = amount, None, None, None, "pool_share"
        return TokenBalanceRow(contract_id, row.account_id, *shares, *row[-5:])
    values = amount, row.authorized, row.clawback_enabled, row.asset, "trustline"
    return TokenBalanceRow(contract_id, row.account_id, *values, *row[-5:])


def contract_of_line(asset: str, passphrase: str) -> str:
    """Give the contract of a trust line's asset, or the pool of its shares; or a DecodeError."""
    return _contract_of(asset, passphrase) if ":" in asset else asset


def claimable_balance(
    row: ClaimableBalanceRow, before: EntryParts | None, passphrase: str
) -> TokenBalanceRow:
    """Make the row of a claimable balance, which holds an asset itself."""
    asset = row.asset or claimable_asset(_stated(before, "claimable_balance", row.balance_id))
    values = row.amount or 0, None, row.clawback_enabled, asset, "claimable_balance"
    return TokenBalanceRow(_contract_of(asset, passphrase), row.balance_id, *values, *row[-5:])


def pool_balances(
    row: LiquidityPoolRow, pool: EntryParts, before: EntryParts | None, passphrase: str
) -> list[TokenBalanceRow]:
    """Make the rows of the two assets that a liquidity pool holds."""
    assets = pool_assets(_stated(before, "liquidity_pool", row.pool_id) if row.deleted else pool)
    return [
        TokenBalanceRow(
            contract_id=_contract_of(asset, passphrase),
            address=row.pool_id,
            amount=reserve or 0,
            authorized=None,
            clawback=None,
            asset=asset,
            source="liquidity_pool",
            deleted=row.deleted,
            ledger=row.ledger,
            tx_order=row.tx_order,
            op_order=row.op_order,
            change_order=row.change_order,
        )
        for asset, reserve in zip(assets, (row.reserve_a, row.reserve_b), strict=True)
    ]


def contract_balance(row: ContractDataRow, entry: ContractEntry) -> TokenBalanceRow | None:
    """Make the row of a contract data entry that holds a balance; None for any other."""
    key_xdr, newest = entry.key_xdr, entry.newest
    if newest is None or not key_xdr.startswith(_BALANCE_KEY, _CONTRACT_KEY_AT):
        return None
    if row.durability != "persistent" or not key_xdr.startswith(_CONTRACT, 4):
        return None
    holder, _ = SC_ADDRESS.read(key_xdr, _CONTRACT_KEY_AT + len(_BALANCE_KEY))
    values: _Balance = 0, None, None
    if newest.change.entry_xdr is not None:
        values = _balance(SC_VAL.read(newest.change.entry_xdr, entry.value_at)[0])
    end: Json = (row.deleted, *newest.position, row.key_hash)
    return TokenBalanceRow(row.contract_id, holder, *values, None, "contract_data", *end)


def _contract_of(asset: str, passphrase: str) -> str:
    contract_id = asset_contract_id(asset, passphrase)
    if contract_id is None:
        raise DecodeError(f"not an asset: {asset!r:.80}")
    return contract_id


def _stated(before: EntryParts | None, kind: str, name: str) -> EntryParts:
    """Return the entry that was removed: its key does not name its assets."""
    if before is None:
        raise DecodeError(f"no state before the removal of the {kind} {name}")
    return before


def _balance(value: Json) -> _Balance:
    """Read i128, or the asset contract's map of amount, authorized and clawback."""
    plain = content(value, "i128")
    if plain is not None:
        return i128(plain), None, None
    fields = symbol_map(value) or {}
    amount = content(fields.get("amount"), "i128")
    if amount is None:
        return None, None, None
    return i128(amount), _flag(fields.get("authorized")), _flag(fields.get("clawback"))


def _flag(value: Json) -> bool | None:
    flag = content(value, "bool")
    return flag if isinstance(flag, bool) else None
