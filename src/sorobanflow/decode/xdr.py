"""Unpack base64 XDR and write it in its SEP-51 JSON form.

The lowest step of decoding with stellar-sdk: one text in, one value out.
Invariants: the form is what Rust's stellar-xdr writes, and so a node's own JSON;
whatever is wrong with a text, the caller sees a `DecodeError` that names the XDR
type and the reason and never holds the text itself. What the values mean is left
to `rows`; the codes of transaction results to `transactions`, which knows where
they stand.
"""

import binascii
from enum import Enum
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from stellar_sdk.xdr import (
    AssetCode4,
    AssetCode12,
    ClaimPredicate,
    ClaimPredicateType,
    SCVal,
    SCValType,
)
from stellar_sdk.xdr.base import String

from sorobanflow.errors import DecodeError

#: A SEP-51 value: dicts, lists, strings, numbers, booleans and None.
Json: TypeAlias = Any

_REASON_LENGTH = 160


class XdrType(Protocol):
    """What every XDR class of stellar-sdk offers."""

    @classmethod
    def from_xdr_bytes(cls, xdr: bytes) -> Self:
        """Unpack, refusing trailing bytes."""

    def to_json_dict(self) -> Json:
        """Give the SEP-51 form, or what stellar-sdk takes for it."""


XdrT = TypeVar("XdrT", bound=XdrType)


def unpack(kind: type[XdrT], text: str) -> XdrT:
    """Unpack base64 XDR.

    Raises:
        DecodeError: not strict base64, or not exactly one value of the type.
    """
    try:
        return kind.from_xdr_bytes(binascii.a2b_base64(text, strict_mode=True))
    except Exception as error:  # the unpackers raise a dozen classes, some of them bare
        raise failure(kind.__name__, error) from error


def to_json(value: XdrType) -> Json:
    """Write an XDR value in its SEP-51 form.

    Raises:
        DecodeError: the value has none.
    """
    try:
        return _corrected(_to_json(value))
    except Exception as error:
        raise failure(type(value).__name__, error) from error


def failure(name: str, error: Exception) -> DecodeError:
    """Make the error of a value, by the name of its type, that cannot be decoded."""
    reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    return DecodeError(f"cannot decode {name} ({reason})")


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
