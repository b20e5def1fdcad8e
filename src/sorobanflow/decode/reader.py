"""Read binary XDR by types that are put together from tables.

The lowest step of decoding: what a type is, and the types that hold no others. The
modules that follow describe theirs with what is here and in `composites`. A type
reads a value in its SEP-51 form or walks past it without building anything. Every
function takes the bytes and a position and gives the position behind the value.
Invariants: a position only grows, so work is bounded by the bytes, whatever a count
says; a position behind the end is found by the next number read, or by `whole`.
Refused, as by Rust's stellar-xdr (stellar-sdk takes them): padding that is not zero,
flags other than 0 and 1.
"""

import binascii
from collections.abc import Callable, Sequence
from struct import Struct
from struct import error as StructError
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

from sorobanflow.errors import DecodeError

T = TypeVar("T")

#: A SEP-51 value: dicts, lists, strings, numbers, booleans and None.
Json: TypeAlias = Any
Read: TypeAlias = Callable[[bytes, int], tuple[Json, int]]
Skip: TypeAlias = Callable[[bytes, int], int]
Form: TypeAlias = Callable[[Any], Json]

UNBOUNDED = 0xFFFF_FFFF
_REASON_LENGTH = 160

#: Unsigned 32-bit number at a position, in a tuple of one; a StructError behind the end.
uint32: Callable[[bytes, int], tuple[int]] = Struct(">I").unpack_from


class XdrType(NamedTuple):
    """How to read a type, and how to walk past it.

    Attributes:
        read: Gives the value in SEP-51 form and the position behind it.
        skip: Gives the position behind the value.
        size: Bytes of every value, where that is constant and any bytes are valid.
        code: Of the value in `struct`, where its size is constant; else empty.
        form: Makes the SEP-51 form of what the code unpacks, where that is another.
    """

    read: Read
    skip: Skip
    size: int | None = None
    code: str = ""
    form: Form | None = None


def from_base64(name: str, text: str) -> bytes:
    """Give the bytes of an XDR value.

    Raises:
        DecodeError: not strict base64; the message has the XDR type's name.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except Exception as error:  # ValueError, or TypeError where it is no text
        raise failure(name, error) from error


def whole(name: str, read: Callable[[bytes, int], tuple[T, int]]) -> Callable[[bytes], T]:
    """Make a reader of exactly one value, which raises nothing but DecodeError."""

    def read_whole(data: bytes) -> T:
        try:
            value, end = read(data, 0)
        except StructError as error:
            raise DecodeError(f"cannot decode {name} (ends within a value)") from error
        except Exception as error:
            raise failure(name, error) from error
        if end != len(data):
            raise DecodeError(f"cannot decode {name} (ends at byte {end} of {len(data)})")
        return value

    return read_whole


def failure(name: str, error: Exception) -> DecodeError:
    """Make the error of a value, by the name of its type, that cannot be decoded."""
    reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    return DecodeError(f"cannot decode {name} ({reason})")


def plain(code: str, form: Form | None = None, *, checked: bool = False) -> XdrType:
    """Describe a type of constant size.

    Args:
        code: Of the value in `struct`.
        form: Makes its SEP-51 form of what the code unpacks, where that is another.
        checked: Whether the form refuses some bytes.
    """
    layout = Struct(">" + code)
    unpack, size = layout.unpack_from, layout.size

    def read_as_is(data: bytes, at: int) -> tuple[Json, int]:
        return unpack(data, at)[0], at + size

    def read_formed(data: bytes, at: int) -> tuple[Json, int]:
        return form(unpack(data, at)[0]), at + size  # type: ignore[misc] # only where it is there

    read = read_as_is if form is None else read_formed
    if checked:
        return XdrType(read, lambda data, at: read_formed(data, at)[1], None, code, form)
    return XdrType(read, lambda _, at: at + size, size, code, form)


def fixed(size: int) -> XdrType:
    """Describe opaque bytes of constant size; the value is hex."""
    return plain(f"{size}s", bytes.hex)


def flag(data: bytes, at: int) -> bool:
    """Read a boolean, or whether an optional value is present."""
    (value,) = uint32(data, at)
    if value > 1:
        raise ValueError(f"flag {value} at byte {at}; wanted 0 or 1")
    return value == 1


def slice_opaque(data: bytes, at: int, limit: int = UNBOUNDED) -> tuple[bytes, int]:
    """Give the bytes of variable opaque data or of a string."""
    (size,) = uint32(data, at)
    end = skip_opaque(data, at, limit)
    at += 4
    return data[at : at + size], end


def skip_opaque(data: bytes, at: int, limit: int = UNBOUNDED) -> int:
    """Walk past variable opaque data or a string."""
    (size,) = uint32(data, at)
    if size > limit:
        raise ValueError(f"{size} bytes at byte {at}; at most {limit} are allowed")
    end = at + 4 + size
    if size & 3:
        behind = (end + 3) & ~3
        if any(data[end:behind]):
            raise ValueError(f"padding at byte {end} is not zero")
        return behind
    return end


def opaque(form: Callable[[bytes], Json], limit: int = UNBOUNDED) -> XdrType:
    """Describe variable opaque data or a string, with the form of its bytes."""

    def read(data: bytes, at: int) -> tuple[Json, int]:
        value, at = slice_opaque(data, at, limit)
        return form(value), at

    return XdrType(read, lambda data, at: skip_opaque(data, at, limit))


def escape(value: bytes) -> str:
    """Give a string's bytes as escaped ASCII, as SEP-51 wants."""
    text = value.decode("latin-1")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return text.translate(_ESCAPES)


_ESCAPES = {byte: f"\\x{byte:02x}" for byte in range(256) if not 0x20 <= byte <= 0x7E}
_ESCAPES |= {0: r"\0", 9: r"\t", 10: r"\n", 13: r"\r", 92: r"\\"}


def enum(name: str, names: Sequence[str]) -> XdrType:
    """Describe an enum whose values count from 0."""

    def form(value: int) -> Json:
        if value >= len(names):
            raise ValueError(f"{name} has no value {value}")
        return names[value]

    return plain("I", form, checked=True)


def count_items(data: bytes, at: int, limit: int = UNBOUNDED) -> int:
    """Read the number of an array's items, each of which takes four bytes or more."""
    (count,) = uint32(data, at)
    if count > limit:
        raise ValueError(f"{count} items at byte {at}; at most {limit} are allowed")
    if count > (len(data) - at - 4) >> 2:
        raise ValueError(f"{count} items at byte {at}; more than the bytes left")
    return count


def no_arm(name: str, value: int) -> NoReturn:
    """Refuse the arm of a union."""
    raise ValueError(f"{name} has no arm {value}")


def _v0(version: int) -> Json:
    return "v0" if version == 0 else no_arm("ExtensionPoint", version)


UINT32 = plain("I")
UINT64 = plain("Q", str)
INT32 = plain("i")
INT64 = plain("q", str)
HASH = fixed(32)
EXTENSION_POINT = plain("I", _v0, checked=True)
