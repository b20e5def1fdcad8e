"""The member `xdrFormat` of requests, and XDR in the form that it asks for.

The JSON form is that of Rust's stellar-xdr, which real nodes use. stellar-sdk
writes it but for a few names and values, which are put right here. That is slow,
4 ms a transaction, so callers keep what they get. Independent of the indexer.
"""

from base64 import b64decode
from collections.abc import Iterator
from enum import Enum
from typing import Any

import msgspec
from stellar_sdk import StrKey, xdr

BASE64, JSON = "base64", "json"

_CODES = {
    code.to_json_dict(): f"{prefix}_{code.to_json_dict().removeprefix(prefix)}"
    for prefix, codes in (("tx", xdr.TransactionResultCode), ("op", xdr.OperationResultCode))
    for code in codes
}


def check_format(text: str) -> str | None:
    """Give the node's complaint about an xdrFormat, or None."""
    if text in ("", BASE64, JSON):
        return None
    return f"got '{text}': expected {BASE64}, {JSON} for optional 'xdrFormat'"


def xdr_json(type_name: str, text: str | bytes) -> msgspec.Raw:
    """Give XDR, base64 or binary, of a named type as the text of its SEP-51 JSON."""
    data = b64decode(text) if isinstance(text, str) else text
    value = getattr(xdr, type_name).from_xdr_bytes(data)
    _override(value)
    names = _CODES if type_name == "TransactionResult" else {}
    return msgspec.Raw(msgspec.json.encode(_as_rust(value.to_json_dict(), names)))


def _as_rust(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """Put right what stellar-sdk 16.1.1 writes otherwise; `names` are those of result codes."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [_as_rust(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    for arm in ("credit_alphanum4", "credit_alphanum12"):
        if isinstance(value.get(arm), str):  # an AssetCode, of allow_trust
            return _escape(value[arm])
    return {
        "from" if name == "from_" else names.get(name, name): _field(value, name, names)
        for name in value
    }


def _field(value: dict[str, Any], name: str, names: dict[str, str]) -> Any:  # noqa: ANN401
    content = value[name]
    if name == "asset_code":
        return _escape(content)
    if name == "contract_id" and "body" in value and content is not None:  # a ContractEvent's
        return StrKey.encode_contract(bytes.fromhex(content))
    return _as_rust(content, names)


def _escape(code: str) -> str:
    text: str = xdr.base.String.to_json_dict(code.encode("latin-1"))
    return text


def _override(root: object) -> None:
    """Give the parts that stellar-sdk cannot write a `to_json_dict` of their own."""
    for part in _parts(root):
        form: object
        if isinstance(part, xdr.SCVal) and part.type.name == "SCV_VEC" and part.vec is None:
            form = {"vec": None}
        elif isinstance(part, xdr.SCVal) and part.type.name == "SCV_MAP" and part.map is None:
            form = {"map": None}
        elif isinstance(part, xdr.ClaimPredicate) and _is_not_nothing(part):
            form = {"not": None}
        elif isinstance(part, xdr.AssetCode4):
            form = part.asset_code4.rstrip(b"\0").decode("latin-1")
        elif isinstance(part, xdr.AssetCode12):
            length = max(len(part.asset_code12.rstrip(b"\0")), 5)
            form = part.asset_code12[:length].decode("latin-1")
        else:
            continue
        vars(part)["to_json_dict"] = lambda form=form: form


def _is_not_nothing(part: xdr.ClaimPredicate) -> bool:
    return part.type.name == "CLAIM_PREDICATE_NOT" and part.not_predicate is None


def _parts(root: object) -> Iterator[object]:
    pending = [root]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif type(part).__module__.startswith("stellar_sdk.xdr") and not isinstance(part, Enum):
            yield part
            pending.extend(vars(part).values())
