"""Decode SEP-51 values by the types of a spec into plain JSON.

Structs become objects, tuples and vecs arrays, unions their case's name or {name: value or values},
enums and errors names, options null or their value. Numbers of 64 and more bits are text, as in
SEP-51, bytes hex; texts keep SEP-51's escapes. A map is an object if its keys become text or
numbers, else an array of pairs. A value of type val stays a SEP-51 value: nothing says what it is.

Invariant: a value that differs from its type in anything is a Mismatch as a whole. Work is bounded
by the value's size, depth by MAX_DEPTH. Source: SEP-48, Rust's soroban-sdk.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn, TypeAlias

from sorobanflow.contracts.spec import Param, Spec, error_name
from sorobanflow.contracts.types import (
    ANY_ERROR,
    VAL,
    BytesN,
    Enum,
    Field,
    Map,
    Named,
    Option,
    Plain,
    Result,
    Struct,
    Tuple,
    Type,
    Union,
    Vec,
)
from sorobanflow.decode.reader import Json

#: Types and values within each other; Python's stack is enough for 180.
MAX_DEPTH = 120


#: Types of keys that do not become names of an object.
_NO_TEXT = ("val", "bool", "void", "error")
NamedType: TypeAlias = Field | Param


class Mismatch(NamedTuple):
    """Why a value is not of its type."""

    reason: str


class _MismatchError(Exception):
    pass


def decode_value(value: Json, kind: Type, spec: Spec) -> Json | Mismatch:
    """Decode a SEP-51 value by a type that the spec knows."""
    return _checked(lambda: _decode(value, kind, spec, 0))


def decode_values(values: Sequence[Json], kinds: Sequence[Type], spec: Spec) -> Json | Mismatch:
    """Decode values by as many types into a list."""
    return _checked(lambda: _decode_items(values, kinds, spec, 0))


def decode_fields(value: Json, fields: Sequence[NamedType], spec: Spec) -> Json | Mismatch:
    """Decode a map whose keys are the fields' names into an object."""
    return _checked(lambda: _fields(value, fields, spec, 0))


def decode_error(value: Json, kind: Type, spec: Spec) -> Json | Mismatch:
    """Decode a SEP-51 error into its name; one that no enum of the type names stays SEP-51."""
    return _checked(lambda: _error(value, kind, spec))


def _checked(decode: Callable[[], Json]) -> Json | Mismatch:
    try:
        return decode()
    except _MismatchError as error:
        return Mismatch(str(error))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return Mismatch(f"it is no SEP-51 value ({type(error).__name__})")


def _decode(value: Json, kind: Type, spec: Spec, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise _MismatchError(f"it nests deeper than {MAX_DEPTH}")
    return _DECODERS[type(kind)](value, kind, spec, depth + 1)


def _plain(value: Json, kind: Plain, spec: Spec, _: int) -> Json:
    name = kind.name
    if kind == VAL:
        return value
    if name == "void":
        return None if value == "void" else _refuse(value, name)
    if kind == ANY_ERROR:
        return _error(value, kind, spec)
    return _arm(value, name.removeprefix("muxed_"), name)


def _error(value: Json, kind: Type, spec: Spec) -> Json:
    error, enums = _arm(value, "error", "error"), spec.errors_of(kind)
    if not enums and kind != ANY_ERROR:
        raise _MismatchError(f"{kind} is no declared type of errors")
    if "contract" not in error:
        return error
    name = error_name(error["contract"], enums)
    if name is None and kind != ANY_ERROR:
        raise _MismatchError(f"{kind} has not one name for {error['contract']!r:.20}")
    return error if name is None else name


def _option(value: Json, kind: Option, spec: Spec, depth: int) -> Json:
    return None if value == "void" else _decode(value, kind.value, spec, depth)


def _result(value: Json, kind: Result, spec: Spec, depth: int) -> Json:
    if isinstance(value, dict) and "error" in value:
        return {"error": _error(value, kind.error, spec)}
    return _decode(value, kind.ok, spec, depth)


def _vec(value: Json, kind: Vec, spec: Spec, depth: int) -> Json:
    return [_decode(item, kind.item, spec, depth) for item in _items(value, "vec")]


def _tuple(value: Json, kind: Tuple, spec: Spec, depth: int) -> Json:
    return _decode_items(_items(value, "vec"), kind.items, spec, depth)


def _decode_items(values: Sequence[Json], kinds: Sequence[Type], spec: Spec, depth: int) -> Json:
    if len(values) != len(kinds):
        raise _MismatchError(f"it has {len(values)} values instead of {len(kinds)}")
    pairs = zip(values, kinds, strict=True)
    return [_decode(value, kind, spec, depth) for value, kind in pairs]


def _map(value: Json, kind: Map, spec: Spec, depth: int) -> Json:
    pairs = [
        [_decode(one["key"], kind.key, spec, depth), _decode(one["val"], kind.value, spec, depth)]
        for one in _items(value, "map")
    ]
    if not has_text_keys(kind, spec):
        return pairs
    named = {str(key): item for key, item in pairs}
    if len(named) != len(pairs):
        raise _MismatchError("two keys of a map have one name")
    return named


def has_text_keys(kind: Map, spec: Spec) -> bool:
    """Whether the keys of such a map become names of an object."""
    match kind.key:
        case Plain(name):
            return name not in _NO_TEXT
        case Named(name):
            declared = spec.find_type(name)
            return isinstance(declared, Enum) and not declared.is_error
    return isinstance(kind.key, BytesN)


def _bytes(value: Json, kind: BytesN, _spec: Spec, _depth: int) -> Json:
    data = _arm(value, "bytes", "bytes")
    return data if len(data) == 2 * kind.size else _refuse(value, f"bytes of {kind.size}")


def _named(value: Json, kind: Named, spec: Spec, depth: int) -> Json:
    match spec.find_type(kind.name):
        case None:
            raise _MismatchError(f"the type {kind.name} is not declared, or in several ways")
        case Struct() as struct:
            return _struct(value, struct, spec, depth)
        case Union() as union:
            return _union(value, union, spec, depth)
        case Enum(is_error=True):
            return _error(value, kind, spec)
        case Enum() as enum:
            return _member(_arm(value, "u32", enum.name), enum)


def _struct(value: Json, struct: Struct, spec: Spec, depth: int) -> Json:
    if struct.is_tuple or value == {"vec": []}:  # of no fields, both forms are in use
        kinds = [field.type for field in struct.fields]
        return _decode_items(_items(value, "vec"), kinds, spec, depth)
    return _fields(value, struct.fields, spec, depth)


def _fields(value: Json, fields: Sequence[NamedType], spec: Spec, depth: int) -> Json:
    entries = _items(value, "map")
    keys = [_arm(entry["key"], "symbol", "name of a field") for entry in entries]
    names = [field.name for field in fields]
    if keys != sorted(set(names)) or len(keys) != len(names):
        raise _MismatchError(f"its keys are not the names {names!r:.200}, in order")
    by_name = {key: entry["val"] for key, entry in zip(keys, entries, strict=True)}
    return {one.name: _decode(by_name[one.name], one.type, spec, depth) for one in fields}


def _union(value: Json, union: Union, spec: Spec, depth: int) -> Json:
    name, *values = _items(value, "vec")
    symbol = _arm(name, "symbol", f"case of {union.name}")
    cases = [case for case in union.cases if case.name == symbol]
    if len(cases) != 1:
        raise _MismatchError(f"{union.name} has {len(cases)} cases {symbol}")
    decoded = _decode_items(values, cases[0].types, spec, depth)
    if not decoded:
        return symbol
    return {symbol: decoded[0] if len(decoded) == 1 else decoded}


def _member(value: int, enum: Enum) -> str:
    name = enum.name_of(value)
    if name is None:
        raise _MismatchError(f"{enum.name} has not one name for {value!r:.20}")
    return name


def _items(value: Json, arm: str) -> list[Json]:
    items = _arm(value, arm, arm)
    return items if isinstance(items, list) else _refuse(value, arm)


def _arm(value: Json, arm: str, expected: str) -> Json:
    if isinstance(value, dict) and arm in value:
        return value[arm]
    return _refuse(value, expected)


def _refuse(value: Json, expected: str) -> NoReturn:
    got = value if isinstance(value, str) else next(iter(value), None)
    raise _MismatchError(f"it is {got!r:.40}; expected {expected:.60}")


_DECODERS: dict[type[Any], Callable[[Json, Any, Spec, int], Json]] = {
    Plain: _plain,
    Option: _option,
    Result: _result,
    Vec: _vec,
    Tuple: _tuple,
    Map: _map,
    BytesN: _bytes,
    Named: _named,
}
