"""Read binary XDR by types that are put together from tables.

The lowest step of decoding: the modules that follow describe their types with what
is here. A type reads a value in its SEP-51 form or walks past it
without building anything. Every function takes the bytes and a position and gives
the position behind the value. Invariants: a position only grows, so work is bounded
by the bytes, whatever a count says; a position behind the end is found by the next
number read, or by `whole`. Refused, as by Rust's stellar-xdr (stellar-sdk takes
them): padding that is not zero, flags other than 0 and 1.
"""

import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
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

_UNBOUNDED = 0xFFFF_FFFF
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

    def read(data: bytes, at: int) -> tuple[Json, int]:
        (value,) = unpack(data, at)
        return value if form is None else form(value), at + size

    if checked:
        return XdrType(read, lambda data, at: read(data, at)[1], None, code, form)
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


def slice_opaque(data: bytes, at: int, limit: int = _UNBOUNDED) -> tuple[bytes, int]:
    """Give the bytes of variable opaque data or of a string."""
    (size,) = uint32(data, at)
    end = skip_opaque(data, at, limit)
    at += 4
    return data[at : at + size], end


def skip_opaque(data: bytes, at: int, limit: int = _UNBOUNDED) -> int:
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


def opaque(form: Callable[[bytes], Json], limit: int = _UNBOUNDED) -> XdrType:
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


def optional(item: XdrType) -> XdrType:
    """Describe a value that may be absent, which is null."""
    return XdrType(
        lambda data, at: item.read(data, at + 4) if flag(data, at) else (None, at + 4),
        lambda data, at: item.skip(data, at + 4) if flag(data, at) else at + 4,
    )


def count_items(data: bytes, at: int, limit: int = _UNBOUNDED) -> int:
    """Read the number of an array's items, each of which takes four bytes or more."""
    (count,) = uint32(data, at)
    if count > limit:
        raise ValueError(f"{count} items at byte {at}; at most {limit} are allowed")
    if count > (len(data) - at - 4) >> 2:
        raise ValueError(f"{count} items at byte {at}; more than the bytes left")
    return count


def array(item: XdrType, limit: int = _UNBOUNDED) -> XdrType:
    """Describe an array of variable length."""

    def read(data: bytes, at: int) -> tuple[Json, int]:
        count = count_items(data, at, limit)
        at += 4
        values = []
        for _ in range(count):
            value, at = item.read(data, at)
            values.append(value)
        return values, at

    def skip(data: bytes, at: int) -> int:
        count = count_items(data, at, limit)
        at += 4
        for _ in range(count):
            at = item.skip(data, at)
        return at

    return XdrType(read, skip)


def struct(**fields: XdrType) -> XdrType:
    """Describe fields one after the other."""
    readers = list(_joined_reads(fields))
    skips = list(_joined_skips(fields.values()))

    def read(data: bytes, at: int) -> tuple[Json, int]:
        value: dict[str, Json] = {}
        for name, read_next in readers:
            if name is None:
                neighbours, at = read_next(data, at)
                value.update(neighbours)
            else:
                value[name], at = read_next(data, at)
        return value, at

    def skip(data: bytes, at: int) -> int:
        for skip_field in skips:
            at = skip_field(data, at)
        return at

    return XdrType(read, skip)


def _joined_reads(fields: Mapping[str, XdrType]) -> Iterator[tuple[str | None, Read]]:
    """Unpack neighbours of constant size in one step, which has no name."""
    for is_plain, group in groupby(fields.items(), lambda item: item[1].code != ""):
        neighbours = dict(group)
        if is_plain and len(neighbours) > 1:
            yield None, _read_neighbours(neighbours)
        else:
            yield from ((name, field.read) for name, field in neighbours.items())


def _read_neighbours(fields: Mapping[str, XdrType]) -> Read:
    layout = Struct(">" + "".join(field.code for field in fields.values()))
    unpack, size = layout.unpack_from, layout.size
    forms = [(name, field.form) for name, field in fields.items()]

    def read(data: bytes, at: int) -> tuple[Json, int]:
        values = unpack(data, at)
        named = [
            (name, value if form is None else form(value))
            for (name, form), value in zip(forms, values, strict=True)
        ]
        return named, at + size

    return read


def _joined_skips(fields: Iterable[XdrType]) -> Iterator[Skip]:
    """Walk past neighbours of constant size in one step."""
    for is_sized, group in groupby(fields, lambda field: field.size is not None):
        if is_sized:
            yield fixed(sum(field.size or 0 for field in group)).skip
        else:
            yield from (field.skip for field in group)


def tree(name: str, children: str, depth: int, **fields: XdrType) -> XdrType:
    """Describe a struct whose last field, `children`, is an array of the struct itself."""
    head = struct(**fields)

    def read(data: bytes, at: int, outer: int = 0) -> tuple[Json, int]:
        value, at = head.read(data, at)
        count = count_items(data, at)
        if count and outer == depth:
            raise ValueError(f"{name} nests deeper than {depth}")
        at += 4
        items = value[children] = []
        for _ in range(count):
            item, at = read(data, at, outer + 1)
            items.append(item)
        return value, at

    return XdrType(read, lambda data, at: read(data, at)[1])


def union(name: str, arms: Mapping[int, tuple[str, XdrType | None]]) -> XdrType:
    """Describe a union by its arms; one without a value is its name alone."""
    find = arms.get

    def read(data: bytes, at: int) -> tuple[Json, int]:
        (value,) = uint32(data, at)
        arm, kind = find(value) or _no_arm(name, value)
        if kind is None:
            return arm, at + 4
        content, at = kind.read(data, at + 4)
        return {arm: content}, at

    def skip(data: bytes, at: int) -> int:
        (value,) = uint32(data, at)
        _, kind = find(value) or _no_arm(name, value)
        return at + 4 if kind is None else kind.skip(data, at + 4)

    return XdrType(read, skip)


def selected(name: str, arms: Mapping[int, XdrType]) -> XdrType:
    """Describe a union whose SEP-51 form does not show the arm."""
    find = arms.get

    def read(data: bytes, at: int) -> tuple[Json, int]:
        (value,) = uint32(data, at)
        kind = find(value) or _no_arm(name, value)
        return kind.read(data, at + 4)

    def skip(data: bytes, at: int) -> int:
        (value,) = uint32(data, at)
        kind = find(value) or _no_arm(name, value)
        return kind.skip(data, at + 4)

    return XdrType(read, skip)


def _no_arm(name: str, value: int) -> NoReturn:
    raise ValueError(f"{name} has no arm {value}")


def _v0(version: int) -> Json:
    return "v0" if version == 0 else _no_arm("ExtensionPoint", version)


UINT32 = plain("I")
UINT64 = plain("Q", str)
INT32 = plain("i")
INT64 = plain("q", str)
HASH = fixed(32)
EXTENSION_POINT = plain("I", _v0, checked=True)
