"""Encode rows in PostgreSQL's binary form, by column; a value is stored exactly, or refused.

A value's field is the length of its data and the data, or -1 for null. Rows of COPY and elements
of arrays are made of the same fields. Columns are given with their types, in the order of the
rows' values; JSON is text. A column's equal values are encoded once: few are distinct.

Decode processes use this: it imports neither SQLAlchemy nor psycopg, whose import takes them 0.3 s
and 23 MiB.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from operator import add
from typing import Any, NamedTuple, TypeAlias

from sorobanflow.errors import DecodeError

Row = tuple[Any, ...]
#: Types by column.
Columns: TypeAlias = Mapping[str, str]
#: Rows by column: an array in binary form under the column's name.
Arrays: TypeAlias = Mapping[str, bytes]

_LENGTH, _NULL = struct.Struct("!i"), b"\xff\xff\xff\xff"
#: Dimensions, whether there may be nulls, the elements' type, their number, the first index.
_ARRAY_HEAD = struct.Struct("!iiIii")
#: The number of fields, before those of each row of COPY.
_ROW_HEAD = struct.Struct("!h")
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def to_copy(columns: Columns, rows: Sequence[Row]) -> bytes:
    """Encode rows for COPY, without its header and trailer.

    Raises:
        DecodeError: a number is out of range for its column.
    """
    parts: list[Iterable[bytes]] = []
    constant = _ROW_HEAD.pack(len(columns))  # what all rows have before the next part
    for kind, values in zip(columns.values(), zip(*rows, strict=True), strict=bool(rows)):
        fields = _fields(kind, values)
        if len(fields) == 1:
            constant += fields[values[0]]
        else:
            parts += repeat(constant, len(rows)), map(fields.__getitem__, values)
            constant = b""
    return b"".join(chain.from_iterable(zip(*parts, repeat(constant, len(rows)), strict=True)))


def to_arrays(columns: Columns, rows: Sequence[Row]) -> Arrays:
    """Encode rows by column; errors as in `to_copy`."""
    by_column = zip(*rows, strict=True) if rows else repeat((), len(columns))
    return {
        name: _array_head(kind, len(rows)) + _joined(_fields(kind, values), values)
        for (name, kind), values in zip(columns.items(), by_column, strict=True)
    }


def copied_arrays(columns: Columns, data: bytes, max_rows: int) -> list[Arrays]:
    """Give rows that were encoded for COPY by column, at most so many in each part."""
    fields = copied_fields(columns, data)
    starts = range(0, max(map(len, fields.values())), max_rows)
    return [
        {name: _array(columns[name], one[start : start + max_rows]) for name, one in fields.items()}
        for start in starts
    ]


def copied_fields(columns: Columns, data: bytes) -> dict[str, list[bytes]]:
    """Give the fields of rows that were encoded for COPY, by column."""
    fields, at = list[bytes](), 0
    while at < len(data):
        at += _ROW_HEAD.size
        for _ in columns:
            (length,) = _LENGTH.unpack_from(data, at)
            end = at + _LENGTH.size + max(length, 0)
            fields.append(data[at:end])
            at = end
    return {name: fields[number :: len(columns)] for number, name in enumerate(columns)}


def data_of(field: bytes) -> bytes:
    """Give the data of a value that is not null."""
    return field[_LENGTH.size :]


def join_arrays(kind: str, arrays: Sequence[bytes]) -> bytes:
    """Make one array of a column's arrays."""
    count = sum(_ARRAY_HEAD.unpack_from(array)[3] for array in arrays)
    fields = (array[_ARRAY_HEAD.size :] for array in arrays)
    return _array_head(kind, count) + b"".join(fields)


def _joined(fields: Mapping[Any, bytes], values: Sequence[Any]) -> bytes:
    """Join the fields of a column's values; those of most columns are all alike."""
    if len(fields) == 1:
        return fields[values[0]] * len(values)
    return b"".join(map(fields.__getitem__, values))


def _array(kind: str, fields: Sequence[bytes]) -> bytes:
    return _array_head(kind, len(fields)) + b"".join(fields)


def _array_head(kind: str, count: int) -> bytes:
    return _ARRAY_HEAD.pack(1, 1, _KINDS[kind].oid, count, 1)


def _fields(kind: str, values: Sequence[Any]) -> dict[Any, bytes]:
    """Encode the distinct values of a column."""
    distinct = {*values}
    nulls = {None: _NULL} if None in distinct else {}
    distinct.discard(None)
    try:
        return dict(zip(distinct, _KINDS[kind].encode(distinct), strict=True)) | nulls
    except struct.error:
        raise _refusal(kind, distinct) from None


def _refusal(kind: str, values: Iterable[Any]) -> DecodeError:
    for value in values:
        try:
            [*_KINDS[kind].encode([value])]
        except struct.error:
            return DecodeError(f"value {value!r} is out of range for type {kind}")
    raise AssertionError(kind)


_Encode: TypeAlias = Callable[[Iterable[Any]], Iterator[bytes]]


class _Kind(NamedTuple):
    """A type: its number in PostgreSQL's catalog, and what makes fields of values."""

    oid: int
    encode: _Encode


def _of_size(form: str) -> _Encode:
    """Encode values of one size, a `struct` format; one that does not fit is a struct.error."""
    packer = struct.Struct(f"!i{form}")
    size = packer.size - _LENGTH.size
    return lambda values: map(packer.pack, repeat(size), values)


def _sized(values: Iterable[bytes]) -> Iterator[bytes]:
    data = [*values]
    return map(add, map(_LENGTH.pack, map(len, data)), data)


def _texts(values: Iterable[str]) -> Iterator[bytes]:
    return _sized(map(str.encode, values))


def _numeric(value: int) -> bytes:
    """Write an integer of any size: digits to the base 10000, with the weight of the first."""
    digits, rest = list[int](), abs(value)
    while rest or not digits:
        rest, digit = divmod(rest, 10_000)
        digits.insert(0, digit)
    sign = 0x4000 if value < 0 else 0
    return struct.pack(f"!HhHH{len(digits)}H", len(digits), len(digits) - 1, sign, 0, *digits)


def _microseconds(value: datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


#: By name. JSON stands after the version of its binary form, 1.
_KINDS = {
    "bigint": _Kind(20, _of_size("q")),
    "boolean": _Kind(16, _of_size("?")),
    "bytea": _Kind(17, _sized),
    "integer": _Kind(23, _of_size("i")),
    "jsonb": _Kind(3802, lambda values: _texts(map("\1".__add__, values))),
    "numeric": _Kind(1700, lambda values: _sized(map(_numeric, values))),
    "smallint": _Kind(21, _of_size("h")),
    "text": _Kind(25, _texts),
    "timestamp with time zone": _Kind(1184, lambda v: _of_size("q")(map(_microseconds, v))),
}
