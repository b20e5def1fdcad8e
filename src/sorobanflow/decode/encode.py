"""Encode and hash the keys of contract entries, with the bytes that the network has for them."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256

from stellar_sdk import xdr as sdk

from sorobanflow.decode.entries import CODE_TYPE, DATA_TYPE, INSTANCE_KEY
from sorobanflow.decode.reader import Json

_DURABILITIES = {"temporary": bytes(4), "persistent": (1).to_bytes(4, "big")}
_ABSENT, _PRESENT = bytes(4), (1).to_bytes(4, "big")
_VEC, _MAP, _CONTRACT_INSTANCE = (arm.to_bytes(4, "big") for arm in (16, 17, 19))


def hash_key(entry_type: str, key: Json) -> tuple[str, bytes | None]:
    """Hash a SEP-51 LedgerKey of contract_data or contract_code, hex; give the data key's XDR too.

    Raises an exception of any class, stellar-sdk's or Python's, for another form.
    """
    if entry_type == "contract_code":
        return sha256(CODE_TYPE + bytes.fromhex(key["hash"])).hexdigest(), None
    key_xdr = _encode_scval(key["key"])
    durability = _DURABILITIES[key["durability"]]
    ledger_key = DATA_TYPE + _encode_address(key["contract"]) + key_xdr + durability
    return sha256(ledger_key).hexdigest(), key_xdr


def instance_key(contract_id: str) -> str:
    """Write the LedgerKey of a contract's instance, base64."""
    durability = _DURABILITIES["persistent"]
    return b64encode(DATA_TYPE + _encode_address(contract_id) + INSTANCE_KEY + durability).decode()


def code_key(wasm_hash: str) -> str:
    """Write the LedgerKey of a Wasm, base64."""
    return b64encode(CODE_TYPE + bytes.fromhex(wasm_hash)).decode()


def _encode_scval(value: Json) -> bytes:
    """Encode an SCVal; stellar-sdk cannot write an absent vec or map, so those are done here."""
    if isinstance(value, str):
        return sdk.SCVal.from_json_dict(value).to_xdr_bytes()
    [(arm, content)] = value.items()
    if arm == "vec":
        return _VEC + _encode_items(content, _encode_scval)
    if arm == "map":
        return _MAP + _encode_items(content, _encode_entry)
    if arm == "contract_instance":
        executable = sdk.ContractExecutable.from_json_dict(content["executable"]).to_xdr_bytes()
        return _CONTRACT_INSTANCE + executable + _encode_items(content["storage"], _encode_entry)
    return sdk.SCVal.from_json_dict(value).to_xdr_bytes()


@lru_cache(maxsize=4096)
def _encode_address(strkey: str) -> bytes:
    return sdk.SCAddress.from_json_dict(strkey).to_xdr_bytes()


def _encode_entry(entry: Json) -> bytes:
    return _encode_scval(entry["key"]) + _encode_scval(entry["val"])


def _encode_items(items: Sequence[Json] | None, encode: Callable[[Json], bytes]) -> bytes:
    """Encode an optional array."""
    if items is None:
        return _ABSENT
    return _PRESENT + len(items).to_bytes(4, "big") + b"".join(encode(item) for item in items)
