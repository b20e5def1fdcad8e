"""Make the rows of tokens: what their contracts' instances say of them, and which were seen.

Invariant: a contract may store what it likes, so an unknown form is no error.
Source: stellar-core's asset contract, SEP-41, the token types of the Soroban SDK.
"""

from collections.abc import Iterable
from itertools import chain

from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import (
    TokenAnswerRow,
    TokenBalanceRow,
    TokenMetadataRow,
    TokenRow,
)
from sorobanflow.rows.tokens import asset_contract_id
from sorobanflow.rows.values import (
    arm,
    content,
    hash_hex,
    reading,
    symbol_map,
    text,
    u32,
)

#: Longest name or symbol of a token that is taken from a node's answer, in characters.
MAX_TEXT = 256
_INSTANCE = "ledger_key_contract_instance"
_NO_TOKEN: dict[str, Json] = dict.fromkeys(("name", "symbol", "decimals", "admin", "wasm_hash"))


def token_metadata(
    contract_id: str, after: Json, before: Json, position: ChangePosition, passphrase: str
) -> TokenMetadataRow | None:
    """Make the row of an instance that describes a token, a deleted one if it no longer does.

    `after`, `before`: the instance, an SCVal; None if it is gone, or unknown.
    """
    token = _described(after)
    if token is None and _described(before) is None:
        return None
    address(contract_id, "C")
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
    *rows: Iterable[TokenRow | TokenBalanceRow | TokenMetadataRow],
) -> list[TokenRow]:
    """List the contracts that rows are about, each with its asset where one of them proves it."""
    assets: dict[str, str | None] = {}
    for row in chain.from_iterable(rows):
        if row.asset is not None or row.contract_id not in assets:
            assets[row.contract_id] = row.asset
    # Balances of a pool's shares name the pool (L…), which has no contract.
    return [TokenRow(one, assets[one]) for one in sorted(assets) if one.startswith("C")]


def _proven_asset(columns: dict[str, Json], contract_id: str, passphrase: str) -> str | None:
    """Return the asset of an asset contract, which has its name; any contract may claim it too."""
    name = columns["name"]
    if name is None or columns["wasm_hash"] is not None:
        return None
    return name if asset_contract_id(name, passphrase) == contract_id else None


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
