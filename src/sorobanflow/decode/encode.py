"""Write SCVals and the keys of contract entries as XDR, and hash these keys.

For the footprint of a transaction, whose keys are decoded and needed as hashes.
Invariant: the bytes are those that the network has for the value.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256

from stellar_sdk import xdr as sdk

from sorobanflow.decode.reader import Json

_CONTRACT_DATA, _CONTRACT_CODE = (6).to_bytes(4, "big"), (7).to_bytes(4, "big")
_DURABILITIES = {"temporary": bytes(4), "persistent": (1).to_bytes(4, "big")}
_ABSENT, _PRESENT = bytes(4), (1).to_bytes(4, "big")
_VEC, _MAP, _CONTRACT_INSTANCE = (arm.to_bytes(4, "big") for arm in (16, 17, 19))


def hash_key(entry_type: str, key: Json) -> tuple[str, bytes | None]:
    """Hash the LedgerKey of contract data or contract code.

    Args:
        entry_type: contract_data or contract_code.
        key: Body of the LedgerKey, or of the entry, in SEP-51 form.

    Returns:
        SHA-256 of the LedgerKey's XDR, hex; and the XDR of a contract data's
        key, which is an SCVal.

    Raises:
        Exception: of stellar-sdk's and Python's classes; not that form.
    """
    if entry_type == "contract_code":
        return sha256(_CONTRACT_CODE + bytes.fromhex(key["hash"])).hexdigest(), None
    key_xdr = encode_scval(key["key"])
    durability = _DURABILITIES[key["durability"]]
    ledger_key = _CONTRACT_DATA + _encode_address(key["contract"]) + key_xdr + durability
    return sha256(ledger_key).hexdigest(), key_xdr


def encode_scval(value: Json) -> bytes:
    """Write an SCVal's XDR; stellar-sdk knows no absent vec or map, so these are done here.

    Raises:
        Exception: as `hash_key`.
    """
    if isinstance(value, str):
        return sdk.SCVal.from_json_dict(value).to_xdr_bytes()
    [(arm, content)] = value.items()
    if arm == "vec":
        return _VEC + _encode_items(content, encode_scval)
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
    return encode_scval(entry["key"]) + encode_scval(entry["val"])


def _encode_items(items: Sequence[Json] | None, encode: Callable[[Json], bytes]) -> bytes:
    """Write an optional array."""
    if items is None:
        return _ABSENT
    return _PRESENT + len(items).to_bytes(4, "big") + b"".join(encode(item) for item in items)
