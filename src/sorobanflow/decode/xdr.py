"""Unpack base64 XDR and write it in its SEP-51 JSON form.

The lowest step of decoding: one text in, one value out. Invariant: whatever is
wrong with a text, the caller sees a `DecodeError` that names the XDR type and
the reason and never holds the text itself. What the values mean is left to
`rows`.
"""

import binascii
from enum import Enum
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from stellar_sdk.xdr import SCMap, SCVal, SCValType, SCVec

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
        """Give the SEP-51 form."""


XdrT = TypeVar("XdrT", bound=XdrType)


def unpack(kind: type[XdrT], text: str) -> XdrT:
    """Unpack base64 XDR.

    Raises:
        DecodeError: not strict base64, or not exactly one value of the type.
    """
    try:
        return kind.from_xdr_bytes(binascii.a2b_base64(text, strict_mode=True))
    except Exception as error:  # the unpackers raise a dozen classes, some of them bare
        raise _failure(kind, error) from error


def to_json(value: XdrType) -> Json:
    """Write an XDR value in its SEP-51 form.

    Raises:
        DecodeError: the value has none, such as an asset code that is not ASCII.
    """
    try:
        return _to_json(value)
    except Exception as error:
        raise _failure(type(value), error) from error


def _to_json(value: XdrType) -> Json:
    try:
        return value.to_json_dict()
    except (AssertionError, AttributeError):
        _fill_absent(value)
        return value.to_json_dict()


def _failure(kind: type, error: Exception) -> DecodeError:
    reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    return DecodeError(f"cannot decode {kind.__name__} ({reason})")


class _AbsentVec(SCVec):
    def __init__(self) -> None:
        super().__init__([])

    def to_json_dict(self) -> None:
        """Give null, the SEP-51 form of an absent vec."""


class _AbsentMap(SCMap):
    def __init__(self) -> None:
        super().__init__([])

    def to_json_dict(self) -> None:
        """Give null, the SEP-51 form of an absent map."""


def _fill_absent(root: object) -> None:
    """Put a stand-in wherever an SCVal has no vec or map.

    XDR allows their absence and real transactions carry it; stellar-sdk 16.1.1
    asserts their presence when it writes JSON. A walk over the whole value is
    affordable because it follows only that failure.
    """
    pending = [root]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, SCVal) and item.type is SCValType.SCV_VEC and item.vec is None:
            item.vec = _AbsentVec()
        elif isinstance(item, SCVal) and item.type is SCValType.SCV_MAP and item.map is None:
            item.map = _AbsentMap()
        elif _is_xdr(item):
            pending.extend(vars(item).values())


def _is_xdr(item: object) -> bool:
    return type(item).__module__.startswith("stellar_sdk.xdr") and not isinstance(item, Enum)
