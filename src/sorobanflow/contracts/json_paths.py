"""Write which SEP-51 values are of a type, as a predicate of SQL/JSON path, for `views`.

The predicate holds of those values that `values` decodes, but for types that hold themselves:
values nested deeper than MAX_DEPTH do not match. It is in lax mode: a path that leads nowhere
is empty, and compares as false.
"""

import json
from collections.abc import Iterable, Sequence
from typing import assert_never

from sorobanflow.contracts.spec import (
    ANY_ERROR,
    VAL,
    VOID,
    BytesN,
    Case,
    Enum,
    Map,
    Named,
    Option,
    Plain,
    Result,
    Spec,
    Struct,
    Tuple,
    Type,
    Union,
    Vec,
)
from sorobanflow.contracts.values import NamedType
from sorobanflow.errors import DecodeError

MAX_DEPTH, MAX_TYPES = 8, 3_000
NEVER, ALWAYS = "(1 == 2)", "(1 == 1)"
_ADDRESSES = {"address": "^[GCBL]", "muxed_address": "^[GCM]"}
_MAX_REPEATED = 250  # PostgreSQL's regular expressions repeat at most 255 times


class Budget:
    """How many types may still be written: hostile ones hold each other many times over."""

    def __init__(self) -> None:
        self._left = MAX_TYPES

    def spend(self) -> None:
        """Count a type; DecodeError where there are too many."""
        self._left -= 1
        if self._left < 0:
            raise DecodeError(f"its types make more than {MAX_TYPES} when written out")


class PathWriter:
    """Writes predicates for the types of a spec."""

    def __init__(self, spec: Spec, budget: Budget) -> None:
        self._spec = spec
        self._budget = budget

    def predicate(self, kind: Type, path: str, depth: int = 0) -> str:
        """Write when the value at a path is of a type."""
        self._budget.spend()
        if depth > MAX_DEPTH:
            return NEVER
        match kind:
            case Plain():
                return _plain(kind, path)
            case BytesN(size):
                return _sized(size, path)
            case Option(value):
                return f'({path} == "void" || {self.predicate(value, path, depth)})'
            case Result(ok, error):
                fine = self.predicate(ok, path, depth)
                return f"({self._error(error, path)} || (!exists({path}.error) && {fine}))"
            case Vec(item):
                return _each(f"{path}.vec", [self.predicate(item, "@", depth + 1)])
            case Map(key, value):
                parts = {"key": key, "val": value}.items()
                inner = [self.predicate(one, f"@.{name}", depth + 1) for name, one in parts]
                return _each(f"{path}.map", inner)
            case Tuple(items):
                return self.items(items, f"{path}.vec", depth)
            case Named(name):
                return self._named(name, path, depth)
            case _:
                assert_never(kind)

    def items(self, kinds: Sequence[Type], path: str, depth: int = 0, first: int = 0) -> str:
        """Write when an array has, from an item on, exactly the values of these types."""
        places = enumerate(kinds, first)
        parts = [self.predicate(kind, f"{path}[{at}]", depth + 1) for at, kind in places]
        return _both([_is_array(path, first + len(kinds)), *parts])

    def fields(self, fields: Sequence[NamedType], path: str, depth: int = 0) -> str:
        """Write when a map has exactly these names as keys, in order, and values of their types."""
        parts = [_is_array(f"{path}.map", len(fields))]
        for place, field in enumerate(sorted(fields, key=lambda one: one.name)):
            entry = f"{path}.map[{place}]"
            parts.append(f"{entry}.key.symbol == {json.dumps(field.name)}")
            parts.append(self.predicate(field.type, f"{entry}.val", depth + 1))
        return _both(parts)

    def _error(self, kind: Type, path: str) -> str:
        if kind == ANY_ERROR:
            return f"exists({path}.error)"
        known = [_members(enum, f"{path}.error.contract") for enum in self._spec.errors_of(kind)]
        other = f"(exists({path}.error) && !exists({path}.error.contract))"
        return f"({other} || {known[0]})" if known else NEVER

    def _named(self, name: str, path: str, depth: int) -> str:
        match self._spec.types.get(name):
            case None:
                return NEVER
            case Struct() as struct:
                return self._struct(struct, path, depth)
            case Union(cases=cases):
                names = [case.name for case in cases]
                known = [case for case in cases if names.count(case.name) == 1]
                return _either(self._case(case, path, depth) for case in known)
            case Enum(is_error=True):
                return self._error(Named(name), path)
            case Enum() as enum:
                return _members(enum, f"{path}.u32")

    def _struct(self, struct: Struct, path: str, depth: int) -> str:
        if struct.is_tuple:
            return self.items([field.type for field in struct.fields], f"{path}.vec", depth)
        named = self.fields(struct.fields, path, depth)
        return named if struct.fields else _either([_is_array(f"{path}.vec", 0), named])

    def _case(self, case: Case, path: str, depth: int) -> str:
        is_case = f"{path}.vec[0].symbol == {json.dumps(case.name)}"
        return _both([is_case, self.items(case.types, f"{path}.vec", depth, first=1)])


def _plain(kind: Plain, path: str) -> str:
    if kind == VAL:
        return ALWAYS
    if kind == VOID:
        return f'({path} == "void")'
    if kind.name in _ADDRESSES:
        return f'({path}.address like_regex "{_ADDRESSES[kind.name]}")'
    return f"exists({path}.{json.dumps(kind.name)})"


def _sized(size: int, path: str) -> str:
    times, rest = divmod(2 * size, _MAX_REPEATED)
    if times > _MAX_REPEATED:
        return NEVER
    pattern = f"^(.{{{_MAX_REPEATED}}}){{{times}}}.{{{rest}}}$" if times else f"^.{{{rest}}}$"
    return f'({path}.bytes like_regex "{pattern}")'


def _members(enum: Enum, path: str) -> str:
    values = {one.value for one in enum.members if enum.name_of(one.value) is not None}
    return _either(f"{path} == {value}" for value in sorted(values))


def _each(path: str, parts: Sequence[str]) -> str:
    """Write when all items of an array have all parts."""
    return f'({path}.type() == "array" && !exists({path}[*] ? (!{_both(parts)})))'


def _is_array(path: str, size: int) -> str:
    return f'({path}.type() == "array" && {path}.size() == {size})'


def _both(parts: Sequence[str]) -> str:
    return f"({' && '.join(parts)})"


def _either(parts: Iterable[str]) -> str:
    return f"({' || '.join(parts) or NEVER})"
