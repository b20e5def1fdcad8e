"""XDR in its SEP-51 form by way of stellar-sdk's objects: the other derivation.

The form is that of Rust's stellar-xdr, which nodes use; where stellar-sdk 16.1.1
leaves it, its answer is put right here.
"""

import binascii
from enum import Enum
from typing import Protocol, Self, TypeVar

from stellar_sdk.xdr import (
    AssetCode4,
    AssetCode12,
    ClaimPredicate,
    ClaimPredicateType,
    OperationResultCode,
    SCVal,
    SCValType,
    TransactionEnvelope,
    TransactionResult,
    TransactionResultCode,
)
from stellar_sdk.xdr.base import String

from sorobanflow.decode.reader import Json


class XdrType(Protocol):
    """What every XDR class of stellar-sdk offers."""

    @classmethod
    def from_xdr_bytes(cls, xdr: bytes) -> Self:
        """Unpack, refusing trailing bytes."""

    def to_json_dict(self) -> Json:
        """Give the SEP-51 form, or what stellar-sdk takes for it."""


XdrT = TypeVar("XdrT", bound=XdrType)


def sdk_envelope(text: str) -> Json:
    """Read a TransactionEnvelope; whatever is wrong raises what stellar-sdk raises."""
    return to_json(unpack(TransactionEnvelope, text))


def sdk_result(text: str) -> Json:
    """Read a TransactionResult; likewise."""
    return result_json(unpack(TransactionResult, text))


def result_json(result: TransactionResult) -> Json:
    """Write a TransactionResult in its SEP-51 form."""
    return _spelt(to_json(result))


def unpack(kind: type[XdrT], text: str) -> XdrT:
    """Unpack base64 XDR."""
    return kind.from_xdr_bytes(binascii.a2b_base64(text, strict_mode=True))


def to_json(value: XdrType) -> Json:
    """Write an XDR value in its SEP-51 form."""
    return _corrected(_to_json(value))


def _corrected(value: Json) -> Json:
    """Put right where stellar-sdk 16.1.1 leaves SEP-51.

    It writes the field `from` of a clawback as "from_", an asset code as it
    stands, not escaped, and one without an issuer as a union.
    """
    if isinstance(value, list):
        return [_corrected(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(arm, content)] = value.items()
        if arm in _ASSET_CODES and isinstance(content, str):
            return _escaped(content)
        return {arm: _corrected(content)}
    fields = {_FIELDS.get(name, name): _corrected(content) for name, content in value.items()}
    if "asset_code" in fields:
        fields["asset_code"] = _escaped(fields["asset_code"])
    return fields


_ASSET_CODES = ("credit_alphanum4", "credit_alphanum12")
_FIELDS = {"from_": "from"}


def _escaped(code: str) -> str:
    if code.isalnum() and code.isascii():
        return code
    return String.to_json_dict(code.encode("latin-1"))


def _to_json(value: XdrType) -> Json:
    try:
        return value.to_json_dict()
    except (AssertionError, AttributeError, UnicodeDecodeError):
        _stand_in(value)
        return value.to_json_dict()


def _stand_in(root: object) -> None:
    """Put a stand-in for its JSON wherever a value is that stellar-sdk 16.1.1 cannot write.

    XDR allows an absent vec, map or predicate and asset codes of any bytes, and
    real transactions carry some. A walk over the whole value is affordable
    because it follows only that failure.
    """
    pending = [root]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif _is_xdr(item):
            form = _form_of(item)
            if form is None:
                pending.extend(vars(item).values())
            else:
                vars(item)["to_json_dict"] = lambda form=form: form


def _form_of(item: object) -> Json | None:
    """Give the form of what stellar-sdk cannot write, else None; of codes, not yet escaped."""
    if isinstance(item, SCVal) and item.type is SCValType.SCV_VEC and item.vec is None:
        return {"vec": None}
    if isinstance(item, SCVal) and item.type is SCValType.SCV_MAP and item.map is None:
        return {"map": None}
    if isinstance(item, ClaimPredicate) and item.type is _NOT and item.not_predicate is None:
        return {"not": None}
    if isinstance(item, AssetCode4):
        return item.asset_code4.rstrip(b"\0").decode("latin-1")
    if isinstance(item, AssetCode12):
        length = max(len(item.asset_code12.rstrip(b"\0")), 5)
        return item.asset_code12[:length].decode("latin-1")
    return None


_NOT = ClaimPredicateType.CLAIM_PREDICATE_NOT


def _is_xdr(item: object) -> bool:
    return type(item).__module__.startswith("stellar_sdk.xdr") and not isinstance(item, Enum)


def _split(prefix: str, code: str) -> str:
    return f"{prefix}_{code.removeprefix(prefix)}"


# stellar-sdk 16.1.1 writes "txbad_auth" and "opinner" for "tx_bad_auth" and "op_inner".
_CODES = {code.to_json_dict(): _split("tx", code.to_json_dict()) for code in TransactionResultCode}
_CODES |= {code.to_json_dict(): _split("op", code.to_json_dict()) for code in OperationResultCode}


def _spelt(result: Json) -> Json:
    """Spell the codes of a TransactionResult, or of an inner one, as SEP-51 does."""
    return {**result, "result": _spelt_code(result["result"])}


def _spelt_code(value: Json) -> Json:
    """Spell a code and those within: operations' results, or a fee bump's inner pair."""
    if isinstance(value, str):
        return _CODES[value]
    [(code, content)] = value.items()
    if isinstance(content, dict) and "result" in content:
        content = {**content, "result": _spelt(content["result"])}
    elif isinstance(content, list):
        content = [_spelt_operation(operation) for operation in content]
    return {_CODES[code]: content}


def _spelt_operation(value: Json) -> Json:
    if isinstance(value, str):
        return _CODES[value]
    [(code, content)] = value.items()
    return {_CODES[code]: content}
