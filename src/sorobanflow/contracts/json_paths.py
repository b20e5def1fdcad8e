"""Write which SEP-51 values are of a type, as a predicate of SQL/JSON path, for `views`.

The predicate holds of those values that `values` decodes, but for types that hold themselves:
values that do so more than MAX_RECURSION times do not match. It is in lax mode: a path that leads
nowhere is empty, and compares as false. Invariant: no part is ever unknown, since "not unknown" is
no objection to an item of a vec.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, assert_never

from sorobanflow.contracts.spec import Spec
from sorobanflow.contracts.types import (
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
    Struct,
    Tuple,
    Type,
    Union,
    Vec,
)
from sorobanflow.contracts.values import NamedType
from sorobanflow.errors import DecodeError

MAX_TYPES, MAX_DEPTH, MAX_RECURSION = 3_000, 60, 4
NEVER, ALWAYS = "(1 == 2)", "(1 == 1)"
#: PostgreSQL takes 0.05 s to compile the expression of 1,000 bytes, 14 s for that of 10,000.
MAX_BYTES_N = 1_000
_MAX_REPEATED = 250  # PostgreSQL's regular expressions repeat at most 255 times


class Budget:
    """How many types may still be written: hostile ones hold each other many times over."""

    def __init__(self) -> None:
        self._left = MAX_TYPES

    def spend(self, depth: int) -> None:
        """Count a type; DecodeError where there are too many, or they nest too deeply."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise DecodeError(
                f"its types make more than {MAX_TYPES} when written out, or nest deeper than "
                f"{MAX_DEPTH}"
            )


class Within(NamedTuple):
    """Where a type is written: how deep, and within which declared types."""

    depth: int = 0
    names: tuple[str, ...] = ()

    def deeper(self, name: str | None = None) -> "Within":
        """Give the place within a type, which may be a declared one."""
        return Within(self.depth + 1, self.names if name is None else (*self.names, name))


TOP = Within()


class PathWriter:
    """Writes predicates for the types of a spec."""

    def __init__(self, spec: Spec, budget: Budget) -> None:
        self._spec = spec
        self._budget = budget

    def predicate(self, kind: Type, path: str, within: Within = TOP) -> str:
        """Write when the value at a path is of a type."""
        self._budget.spend(within.depth)
        deeper = within.deeper()
        match kind:
            case Plain():
                return _plain(kind, path)
            case BytesN(size):
                return _sized(size, path)
            case Option(value):
                return f"({_is_void(path)} || {self.predicate(value, path, deeper)})"
            case Result(ok, error):
                fine = self.predicate(ok, path, deeper)
                return f"({self._error(error, path)} || (!exists({path}.error) && {fine}))"
            case Vec(item):
                return _each(f"{path}.vec", [self.predicate(item, "@", deeper)])
            case Map(key, value):
                parts = {"key": key, "val": value}.items()
                inner = [self.predicate(one, f"@.{name}", deeper) for name, one in parts]
                return _each(f"{path}.map", inner)
            case Tuple(items):
                return self.items(items, f"{path}.vec", deeper)
            case Named(name):
                return self._named(name, path, within.deeper(name))
            case _:
                assert_never(kind)

    def items(self, kinds: Sequence[Type], path: str, within: Within = TOP, first: int = 0) -> str:
        """Write when an array has, from an item on, exactly the values of these types."""
        places = enumerate(kinds, first)
        parts = [self.predicate(kind, f"{path}[{at}]", within) for at, kind in places]
        return _both([_is_array(path, first + len(kinds)), *parts])

    def fields(self, fields: Sequence[NamedType], path: str, within: Within = TOP) -> str:
        """Write when a map has exactly these names as keys, in order, and values of their types."""
        parts = [_is_array(f"{path}.map", len(fields))]
        for place, field in enumerate(sorted(fields, key=lambda one: one.name)):
            entry = f"{path}.map[{place}]"
            parts.append(f"{entry}.key.symbol == {json.dumps(field.name)}")
            parts.append(self.predicate(field.type, f"{entry}.val", within))
        return _both(parts)

    def _error(self, kind: Type, path: str) -> str:
        if kind == ANY_ERROR:
            return f"exists({path}.error)"
        known = [_members(enum, f"{path}.error.contract") for enum in self._spec.errors_of(kind)]
        other = f"(exists({path}.error) && !exists({path}.error.contract))"
        return f"({other} || {known[0]})" if known else NEVER

    def _named(self, name: str, path: str, within: Within) -> str:
        if within.names.count(name) > MAX_RECURSION:
            return NEVER
        match self._spec.find_type(name):
            case None:
                return NEVER
            case Struct() as struct:
                return self._struct(struct, path, within)
            case Union(cases=cases):
                names = [case.name for case in cases]
                known = [case for case in cases if names.count(case.name) == 1]
                return _either(self._case(case, path, within) for case in known)
            case Enum(is_error=True):
                return self._error(Named(name), path)
            case Enum() as enum:
                return _members(enum, f"{path}.u32")

    def _struct(self, struct: Struct, path: str, within: Within) -> str:
        if struct.is_tuple:
            return self.items([field.type for field in struct.fields], f"{path}.vec", within)
        named = self.fields(struct.fields, path, within)
        return named if struct.fields else _either([_is_array(f"{path}.vec", 0), named])

    def _case(self, case: Case, path: str, within: Within) -> str:
        is_case = f"{path}.vec[0].symbol == {json.dumps(case.name)}"
        return _both([is_case, self.items(case.types, f"{path}.vec", within, first=1)])


def _plain(kind: Plain, path: str) -> str:
    if kind == VAL:
        return ALWAYS
    if kind == VOID:
        return _is_void(path)
    return f"exists({path}.{kind.name.removeprefix('muxed_')})"


def _is_void(path: str) -> str:
    """Of an object, the comparison alone would be unknown."""
    return f'({path}.type() == "string" && {path} == "void")'


def _sized(size: int, path: str) -> str:
    if size > MAX_BYTES_N:
        raise DecodeError(f"it has bytes of constant size {size}; at most {MAX_BYTES_N} are shown")
    times, rest = divmod(2 * size, _MAX_REPEATED)
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
