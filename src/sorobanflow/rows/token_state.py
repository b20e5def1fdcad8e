"""Make the rows of balances and token metadata that ledger entries state.

Balances are in accounts (the native asset), trust lines (issued assets) and contract data under
`Vec["Balance", address]`. The contract id of an asset is computed, even if it was never deployed.
Invariant: a contract may store what it likes, so an unknown form is no error.
Source: stellar-core's asset contract, SEP-41, the token types of the Soroban SDK.
"""

from collections.abc import Iterable
from itertools import chain
from typing import TypeAlias

from sorobanflow.decode.changes import Change
from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import (
    AccountRow,
    TokenAnswerRow,
    TokenBalanceRow,
    TokenMetadataRow,
    TokenRow,
)
from sorobanflow.rows.tokens import TokenOperationRow, asset_contract_id
from sorobanflow.rows.values import (
    arm,
    content,
    hash_hex,
    i64,
    i128,
    reading,
    symbol_map,
    text,
    u32,
)

#: Longest name or symbol of a token that is taken from a node's answer, in characters.
MAX_TEXT = 256
_AUTHORIZED = 1  # TrustLineFlags
_CLAWBACK_ENABLED = 4

_NATIVE = "native"
_INSTANCE = "ledger_key_contract_instance"
_Balance: TypeAlias = tuple[int | None, bool | None, bool | None]  # amount, authorized, clawback
_NO_BALANCE: _Balance = (0, None, None)
_NO_TOKEN: dict[str, Json] = dict.fromkeys(("name", "symbol", "decimals", "admin", "wasm_hash"))


def account_balance(row: AccountRow, passphrase: str) -> TokenBalanceRow:
    """Make the row of an account's native balance, in stroops."""
    contract_id = _contract_of(_NATIVE, passphrase)
    authorized, clawback = (None, None) if row.deleted else (True, False)
    values = row.balance or 0, authorized, clawback, _NATIVE, "account"
    return TokenBalanceRow(contract_id, row.account_id, *values, *row[-6:-1])


def trustline_balance(
    change: Change, position: ChangePosition, passphrase: str
) -> TokenBalanceRow | None:
    """Make the row of a trust line; None if it holds shares of a pool, which are no asset."""
    asset = _asset(change.key["asset"])
    if asset is None:
        return None
    contract_id, holder = _contract_of(asset, passphrase), address(change.key["account_id"], "G")
    deleted = change.entry is None
    values = _NO_BALANCE if deleted else _trust(change.entry)
    return TokenBalanceRow(contract_id, holder, *values, asset, "trustline", deleted, *position)


def contract_balance(change: Change, position: ChangePosition) -> TokenBalanceRow | None:
    """Make the row of a contract data entry that holds a balance; None for any other."""
    holder = _holder(change.key)
    if holder is None:
        return None
    contract_id, holder = address(change.key["contract"], "C"), address(holder)
    deleted = change.entry is None
    values = _NO_BALANCE if deleted else _balance(change.entry["val"])
    return TokenBalanceRow(contract_id, holder, *values, None, "contract_data", deleted, *position)


def token_metadata(
    change: Change, position: ChangePosition, passphrase: str
) -> TokenMetadataRow | None:
    """Make the row of an instance that describes a token, a deleted one if it no longer does."""
    if change.key["key"] != _INSTANCE:
        return None
    token = None if change.entry is None else _described(change.entry["val"])
    if token is None and _described(change.before) is None:
        return None
    contract_id = address(change.key["contract"], "C")
    columns = _NO_TOKEN if token is None else token
    asset = _proven_asset(columns, contract_id, passphrase)
    return TokenMetadataRow(
        contract_id=contract_id,
        **columns,
        asset=asset,
        issuer=asset.partition(":")[2] or None if asset else None,
        deleted=token is None,
        **position._asdict(),
    )


def token_answer(entry: Json, ledger: int, passphrase: str) -> TokenAnswerRow:
    """Make the row of a contract's instance as a node gave it; without values if it is no token's.

    Raises:
        DecodeError: the entry is no contract's instance, or does not have its form.
    """
    with reading("a contract's instance"):
        contract_id = address(entry["contract"], "C")
        if entry["key"] != _INSTANCE:
            raise DecodeError(f"not the instance of {contract_id}")
        columns = _described(entry["val"]) or _NO_TOKEN
        if any(len(columns[field] or "") > MAX_TEXT for field in ("name", "symbol")):
            columns = _NO_TOKEN
        asset = _proven_asset(columns, contract_id, passphrase)
        values = columns["name"], columns["symbol"], columns["decimals"]
        return TokenAnswerRow(contract_id, *values, asset, ledger)


def token_rows(
    *rows: Iterable[TokenOperationRow | TokenBalanceRow | TokenMetadataRow],
) -> list[TokenRow]:
    """List the contracts that rows are about, each with its asset where one of them proves it."""
    assets: dict[str, str | None] = {}
    for row in chain.from_iterable(rows):
        if row.asset is not None or row.contract_id not in assets:
            assets[row.contract_id] = row.asset
    return [TokenRow(contract_id, assets[contract_id]) for contract_id in sorted(assets)]


def _proven_asset(columns: dict[str, Json], contract_id: str, passphrase: str) -> str | None:
    """Return the asset of an asset contract, which has its name; any contract may claim it too."""
    name = columns["name"]
    if name is None or columns["wasm_hash"] is not None:
        return None
    return name if asset_contract_id(name, passphrase) == contract_id else None


def _contract_of(asset: str, passphrase: str) -> str:
    contract_id = asset_contract_id(asset, passphrase)
    if contract_id is None:
        raise DecodeError(f"not an asset: {asset!r:.80}")
    return contract_id


def _asset(value: Json) -> str | None:
    kind, body = arm(value)
    if kind in ("credit_alphanum4", "credit_alphanum12"):
        return f"{text(body['asset_code'])}:{address(body['issuer'], 'G')}"
    if kind == "pool_share":
        return None
    raise DecodeError(f"unknown asset of a trust line: {kind!r:.80}")


def _trust(entry: Json) -> _Balance:
    flags = u32(entry["flags"])
    return i64(entry["balance"]), bool(flags & _AUTHORIZED), bool(flags & _CLAWBACK_ENABLED)


def _holder(key: Json) -> Json:
    """Return the address of a key `Vec["Balance", address]`, else None."""
    parts = key["key"].get("vec") if isinstance(key["key"], dict) else None
    if not parts or len(parts) != 2 or parts[0] != {"symbol": "Balance"}:
        return None
    is_current = key["durability"] == "persistent" and str(key["contract"]).startswith("C")
    return content(parts[1], "address") if is_current else None


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


def _described(instance: Json) -> dict[str, Json] | None:
    """Read METADATA, admin and executable of a contract instance; None if it is no token's."""
    body = content(instance, "contract_instance")
    if body is None:
        return None
    storage = body["storage"] or ()
    fields = symbol_map(_stored(storage, {"symbol": "METADATA"})) or {}
    name, symbol = _string(fields.get("name")), _string(fields.get("symbol"))
    decimals = content(fields.get("decimal", fields.get("decimals")), "u32")
    if name is None or symbol is None or decimals is None:
        return None
    admin = content(_stored(storage, {"vec": [{"symbol": "Admin"}]}), "address")
    kind, wasm_hash = arm(body["executable"])
    return {
        "name": name,
        "symbol": symbol,
        "decimals": u32(decimals),
        "admin": None if admin is None else address(admin),
        "wasm_hash": hash_hex(wasm_hash) if kind == "wasm" else None,
    }


def _stored(storage: Json, key: Json) -> Json:
    return next((entry["val"] for entry in storage if entry["key"] == key), None)


def _string(value: Json) -> str | None:
    found = content(value, "string")
    return None if found is None else text(found)
