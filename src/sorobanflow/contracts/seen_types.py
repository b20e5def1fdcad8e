"""The narrowest type that a value has, and the one that several values share, for `learning`.

Invariant: `join` is associative and commutative, so values may come in any order and in any
parts. Types nest at most MAX_DEPTH deep; what is deeper is val.
"""

from functools import reduce

from sorobanflow.contracts.types import VAL, VOID, BytesN, Map, Option, Plain, Type, Vec
from sorobanflow.decode.reader import Json

MAX_DEPTH = 4
#: The arms of SCVal that have a type; those of storage keys have none.
_PLAIN = frozenset(
    [
        *("bool", "error", "u32", "i32", "u64", "i64", "timepoint", "duration"),
        *("u128", "i128", "u256", "i256", "string", "symbol"),
    ]
)
_ADDRESS, _MUXED, _BYTES = Plain("address"), Plain("muxed_address"), Plain("bytes")
#: Of the items of an empty vec or map, which nothing has been seen of.
UNKNOWN: Type = Plain("unknown")


def type_of(value: Json, depth: int = 0) -> Type:
    """Give the narrowest type of a SEP-51 value."""
    if value == "void":
        return VOID
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return VAL
    ((arm, content),) = value.items()
    if arm in _PLAIN:
        return Plain(arm)
    match arm, content:
        case "bytes", str():
            return BytesN(len(content) // 2)
        case "address", str():
            return _MUXED if content.startswith("M") else _ADDRESS
        case "vec", list():
            return Vec(_joined([type_of(one, depth + 1) for one in content]))
        case "map", list():
            keys = _joined([type_of(one["key"], depth + 1) for one in content])
            return Map(keys, _joined([type_of(one["val"], depth + 1) for one in content]))
    return VAL


def join(one: Type, other: Type) -> Type:
    """Give the narrowest type that holds the values of both."""
    if one == other or other == UNKNOWN:
        return one
    if one == UNKNOWN:
        return other
    if VOID in (one, other) or isinstance(one, Option) or isinstance(other, Option):
        return _optional(join(_present(one), _present(other)))
    match one, other:
        case Vec(), Vec():
            return Vec(join(one.item, other.item))
        case Map(), Map():
            return Map(join(one.key, other.key), join(one.value, other.value))
    if {one, other} == {_ADDRESS, _MUXED}:
        return _MUXED
    if all(isinstance(kind, BytesN) or kind == _BYTES for kind in (one, other)):
        return _BYTES
    return VAL


def without_unknown(kind: Type) -> Type:
    """Replace what nothing has been seen of by val."""
    match kind:
        case Option():
            return _optional(without_unknown(kind.value))
        case Vec():
            return Vec(without_unknown(kind.item))
        case Map():
            return Map(without_unknown(kind.key), without_unknown(kind.value))
    return VAL if kind == UNKNOWN else kind


def _joined(kinds: list[Type]) -> Type:
    return reduce(join, kinds, UNKNOWN)


def _present(kind: Type) -> Type:
    if kind == VOID:
        return UNKNOWN
    return kind.value if isinstance(kind, Option) else kind


def _optional(kind: Type) -> Type:
    """Make an option; void is a val too, and of an option of nothing only void was seen."""
    if kind == UNKNOWN:
        return VOID
    return VAL if kind == VAL else Option(kind)
