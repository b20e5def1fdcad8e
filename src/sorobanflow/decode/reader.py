"""Read binary XDR: what a type is, and the types that hold no others.

A type (`straight.XdrType`) reads a value in its SEP-51 form or as JSON of it, or skips it.
Invariants: a position only grows, so the work is bounded by the bytes; one after the end is found
by the next number read, or by `whole`. Padding that is not zero and flags other than 0 and 1 are
refused, as by Rust's stellar-xdr.
"""

import binascii
from collections.abc import Callable, Sequence
from struct import Struct
from struct import error as StructError
from typing import Any, NoReturn, TypeAlias, TypeVar

from sorobanflow.decode.straight import Code, Form, Formed, XdrType
from sorobanflow.errors import DecodeError

T = TypeVar("T")

#: A SEP-51 value: dicts, lists, strings, numbers, booleans and None.
Json: TypeAlias = Any

UNBOUNDED = 0xFFFF_FFFF
_REASON_LENGTH = 160

#: The unsigned 32-bit number at a position, in a tuple of one; a StructError after the end.
uint32: Callable[[bytes, int], tuple[int]] = Struct(">I").unpack_from


def from_base64(name: str, text: str) -> bytes:
    """Decode the base64 of an XDR value; DecodeError with the type's name if it is not strict."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except Exception as error:  # ValueError, or TypeError if it is no text
        raise _failure(name, error) from error


def part(
    name: str, read: Callable[[bytes, int], tuple[T, int]]
) -> Callable[[bytes, int], tuple[T, int]]:
    """Make a reader of a value among others; it raises nothing but DecodeError."""

    def read_part(data: bytes, at: int) -> tuple[T, int]:
        try:
            value, end = read(data, at)
        except Exception as error:
            raise _failure(name, error) from error
        if end > len(data):
            raise DecodeError(f"cannot decode {name} (ends at byte {end} of {len(data)})")
        return value, end

    return read_part


def whole(name: str, read: Callable[[bytes, int], tuple[T, int]]) -> Callable[[bytes], T]:
    """Make a reader of bytes that are exactly one value; it raises nothing but DecodeError."""

    def read_whole(data: bytes) -> T:
        try:
            value, end = read(data, 0)
        except Exception as error:
            raise _failure(name, error) from error
        if end != len(data):
            raise DecodeError(f"cannot decode {name} (ends at byte {end} of {len(data)})")
        return value

    return read_whole


def base64_reader(name: str, read: Callable[[bytes, int], tuple[T, int]]) -> Callable[[str], T]:
    """Make a reader of base64 text that is exactly one value; it raises only DecodeError."""
    read_whole = whole(name, read)
    return lambda text: read_whole(from_base64(name, text))


def _failure(name: str, error: Exception) -> DecodeError:
    if isinstance(error, StructError):
        return DecodeError(f"cannot decode {name} (ends within a value)")
    reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    return DecodeError(f"cannot decode {name} ({reason})")


class _Plain(Formed):
    """A type of constant size that `struct` unpacks."""

    def __init__(
        self, code: str, form: Form | None, *, checked: bool, only_arm: str, is_escaped: bool
    ) -> None:
        layout = Struct(">" + code)
        self._unpack, self._size = layout.unpack_from, layout.size
        self._only_arm = only_arm
        self.code, self.form, self.is_escaped = code, form, is_escaped
        self.size = None if checked or only_arm else layout.size

    def write_content(self, code: Code) -> str:
        value = code.variable()
        code.add(f"{value}, = {code.bind(self._unpack)}(data, at)")
        code.add(f"at += {self._size}")
        return value

    def write_skip(self, code: Code) -> None:
        if self._only_arm:
            number = f"{code.bind(uint32)}(data, at)[0]"
            code.add(f"if {number}: {code.bind(no_arm)}({self._only_arm!r}, {number})")
        elif self.size is None:
            code.add(self.formed(code, f"{code.bind(self._unpack)}(data, at)[0]"))
        code.add(f"at += {self._size}")


def plain(
    code: str,
    form: Form | None = None,
    *,
    checked: bool = False,
    only_arm: str = "",
    is_escaped: bool = False,
) -> XdrType:
    """Describe a type of constant size; `checked` states that the form refuses some bytes.

    A form gives a string of printable ASCII; `is_escaped`: it may hold quotes or backslashes.
    `only_arm`: it is a union of this name, that begins with its only arm, 0.
    """
    return _Plain(code, form, checked=checked, only_arm=only_arm, is_escaped=is_escaped)


def unpacked(code: Code, fields: list[XdrType]) -> list[str]:
    """Add the lines that unpack fields of constant size; give the names of what they are."""
    layout = Struct(">" + "".join(field.code for field in fields))
    values = [code.variable() for _ in fields]
    code.add(f"{', '.join(values)}, = {code.bind(layout.unpack_from)}(data, at)")
    code.add(f"at += {layout.size}")
    return values


def fixed(size: int) -> XdrType:
    """Describe opaque bytes of constant size; the value is hex."""
    return plain(f"{size}s", bytes.hex)


def flag(data: bytes, at: int) -> bool:
    """Read a boolean, or whether an optional value is present."""
    (value,) = uint32(data, at)
    return value == 1 if value <= 1 else no_flag(value, at)


def no_flag(value: int, at: int) -> NoReturn:
    """Raise the error of a flag that is neither 0 nor 1."""
    raise ValueError(f"flag {value} at byte {at}; expected 0 or 1")


def slice_opaque(data: bytes, at: int, limit: int = UNBOUNDED) -> tuple[bytes, int]:
    """Read the bytes of variable opaque data or of a string."""
    (size,) = uint32(data, at)
    if size > limit or size & 3:
        return data[at + 4 : at + 4 + size], skip_opaque(data, at, limit)
    at += 4
    return data[at : at + size], at + size


def skip_opaque(data: bytes, at: int, limit: int = UNBOUNDED) -> int:
    """Skip variable opaque data or a string."""
    (size,) = uint32(data, at)
    if size > limit:
        raise ValueError(f"{size} bytes at byte {at}; at most {limit} are allowed")
    end = at + 4 + size
    if size & 3:
        padded_end = (end + 3) & ~3
        if any(data[end:padded_end]):
            raise ValueError(f"padding at byte {end} is not zero")
        return padded_end
    return end


class _Opaque(Formed):
    """Variable opaque data, or a string."""

    def __init__(self, form: Callable[[bytes], Json], limit: int) -> None:
        self.form, self._limit = form, limit
        self.is_escaped = form is escape

    def write_content(self, code: Code) -> str:
        value = code.variable()
        code.add(f"{value}, at = {code.bind(slice_opaque)}(data, at, {self._limit})")
        return value

    def write_skip(self, code: Code) -> None:
        code.add(f"at = {code.bind(skip_opaque)}(data, at, {self._limit})")


def opaque(form: Callable[[bytes], Json], limit: int = UNBOUNDED) -> XdrType:
    """Describe variable opaque data or a string, with the SEP-51 form of its bytes."""
    return _Opaque(form, limit)


def escape(value: bytes) -> str:
    """Write a string's bytes as escaped ASCII, as SEP-51 does."""
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
    """Raise the error of an unknown arm of a union."""
    raise ValueError(f"{name} has no arm {value}")


def _v0(version: int) -> Json:
    return "v0" if version == 0 else no_arm("ExtensionPoint", version)


UINT32 = plain("I")
UINT64 = plain("Q", str)
INT32 = plain("i")
INT64 = plain("q", str)
HASH = fixed(32)
EXTENSION_POINT = plain("I", _v0, only_arm="ExtensionPoint")
