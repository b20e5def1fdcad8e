"""Write SQL that turns a SEP-51 value into the plain JSON of `values`, or into a column's type.

Invariant: of a value that `json_paths` finds of the type, the SQL gives what `values` gives; of
any other it gives something, and no error, since PostgreSQL may compute a column of a view before
it looks at the view's condition.
"""

import json
from collections.abc import Sequence
from typing import assert_never

from sorobanflow.contracts.json_paths import MAX_RECURSION, TOP, Budget, Within
from sorobanflow.contracts.names import literal
from sorobanflow.contracts.spec import Spec, error_name
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
from sorobanflow.contracts.values import NamedType, has_text_keys

_TEXT, _JSON = "text", "jsonb"
#: The SQL types of plain types; of others, enums are text, the rest is jsonb.
_SQL_TYPES = {
    "bool": "boolean",
    "u32": "bigint",
    "i32": "integer",
    "u64": "numeric(20,0)",
    "i64": "bigint",
    "timepoint": "numeric(20,0)",
    "duration": "numeric(20,0)",
    "u128": "numeric(39,0)",
    "i128": "numeric(39,0)",
    "u256": "numeric(78,0)",
    "i256": "numeric(78,0)",
    **dict.fromkeys(("bytes", "string", "symbol", "address", "muxed_address"), _TEXT),
}
_MAX_ARGUMENTS = 48  # of one function call, in pairs; PostgreSQL takes 100 arguments


class ColumnWriter:
    """Writes the SQL of values of a spec's types; a source is SQL of a SEP-51 value, jsonb."""

    def __init__(self, spec: Spec, budget: Budget) -> None:
        self._spec = spec
        self._budget = budget

    def column(self, kind: Type, source: str) -> tuple[str, str]:
        """Write the type and the value of a column."""
        inner = kind.value if isinstance(kind, Option) else kind
        if isinstance(inner, Plain) and inner.name in _SQL_TYPES:
            sql_type = _SQL_TYPES[inner.name]
            text = f"{source}->>{literal(_arm(inner))}"
            return sql_type, text if sql_type == _TEXT else f"({text})::{sql_type}"
        declared = self._spec.find_type(inner.name) if isinstance(inner, Named) else None
        if isinstance(inner, BytesN) or isinstance(declared, Enum) or inner == ANY_ERROR:
            return _TEXT, f"({self.json(inner, source)})#>>'{{}}'"
        return _JSON, self.json(kind, source)

    def json(self, kind: Type, source: str, within: Within = TOP) -> str:
        """Write the plain JSON of a value."""
        self._budget.spend(within.depth)
        deeper = within.deeper()
        match kind:
            case Plain():
                return self._plain(kind, source)
            case BytesN():
                return f"{source}->'bytes'"
            case Option(value):
                is_void = f"{source} = '\"void\"'"
                return f"CASE WHEN {is_void} THEN NULL ELSE {self.json(value, source, deeper)} END"
            case Result(ok, error):
                failed = f"jsonb_build_object('error', {self._error(error, source)})"
                fine = self.json(ok, source, deeper)
                return f"CASE WHEN {source}->'error' IS NULL THEN {fine} ELSE {failed} END"
            case Vec(item):
                each = self.json(item, _item(within), deeper)
                return _collected("agg", f"{source}->'vec'", each, within)
            case Map():
                return self._map(kind, source, within)
            case Tuple(items):
                return self._items(items, source, deeper)
            case Named(name):
                return self._named(name, source, within.deeper(name))
            case _:
                assert_never(kind)

    def _plain(self, kind: Plain, source: str) -> str:
        if kind == VAL:
            return source
        if kind == VOID:
            return "NULL::jsonb"
        return self._error(kind, source) if kind == ANY_ERROR else f"{source}->'{_arm(kind)}'"

    def _error(self, kind: Type, source: str) -> str:
        error, enums = f"{source}->'error'", self._spec.errors_of(kind)
        codes = sorted({member.value for enum in enums for member in enum.members})
        names = {str(code): error_name(code, enums) for code in codes}
        known = {code: _json_text(name) for code, name in names.items() if name is not None}
        return _cases(f"{error}->>'contract'", known, error)

    def _map(self, kind: Map, source: str, within: Within) -> str:
        entry = _item(within)
        key = self.json(kind.key, f"{entry}->'key'", within.deeper())
        value = self.json(kind.value, f"{entry}->'val'", within.deeper())
        if not has_text_keys(kind, self._spec):
            pair = f"jsonb_build_array({key}, {value})"
            return _collected("agg", f"{source}->'map'", pair, within)
        # A key is null only where the value is not of its type, and would be an error.
        name = f"coalesce(({key})#>>'{{}}', '')"
        return _collected("object_agg", f"{source}->'map'", f"{name}, {value}", within)

    def _items(self, kinds: Sequence[Type], source: str, within: Within, first: int = 0) -> str:
        places = enumerate(kinds, first)
        values = [self.json(one, f"{source}->'vec'->{at}", within) for at, one in places]
        return _built("array", values)

    def _named(self, name: str, source: str, within: Within) -> str:
        if within.names.count(name) > MAX_RECURSION:
            return source  # no such value fits
        match self._spec.find_type(name):
            case None:
                return source
            case Struct() as struct:
                return self._struct(struct, source, within)
            case Union(cases=cases):
                values = {case.name: self._case(case, source, within) for case in cases}
                return _cases(f"{source}->'vec'->0->>'symbol'", values)
            case Enum(is_error=True):
                return self._error(Named(name), source)
            case Enum() as enum:
                known = {str(one.value): enum.name_of(one.value) for one in enum.members}
                names = {key: _json_text(one) for key, one in known.items() if one is not None}
                return _cases(f"{source}->>'u32'", names)

    def _struct(self, struct: Struct, source: str, within: Within) -> str:
        if struct.is_tuple:
            return self._items([field.type for field in struct.fields], source, within)
        sources = field_sources(struct.fields, source)
        pairs = [
            f"{literal(field.name)}, {self.json(field.type, sources[field.name], within)}"
            for field in struct.fields
        ]
        named = _built("object", pairs)
        return named if pairs else _cases(f"{source}->>'vec'", {"[]": "'[]'::jsonb"}, named)

    def _case(self, case: Case, source: str, within: Within) -> str:
        if not case.types:
            return _json_text(case.name)
        if len(case.types) == 1:
            value = self.json(case.types[0], f"{source}->'vec'->1", within)
        else:
            value = self._items(case.types, source, within, first=1)
        return f"jsonb_build_object({literal(case.name)}, {value})"


def field_sources(fields: Sequence[NamedType], source: str) -> dict[str, str]:
    """Write where the values of fields stand in a map, whose keys are in order."""
    names = sorted(field.name for field in fields)
    return {name: f"{source}->'map'->{place}->'val'" for place, name in enumerate(names)}


def _arm(kind: Plain) -> str:
    return kind.name.removeprefix("muxed_")


def _json_text(text: str | None) -> str:
    return f"{literal(json.dumps(text))}::jsonb"


def _cases(of: str, values: dict[str, str], otherwise: str = "NULL::jsonb") -> str:
    whens = " ".join(f"WHEN {literal(key)} THEN {value}" for key, value in values.items())
    return f"CASE {of} {whens} ELSE {otherwise} END" if values else otherwise


def _built(kind: str, parts: Sequence[str]) -> str:
    """Build an array or an object, of several where a function takes no more arguments."""
    starts = range(0, len(parts) or 1, _MAX_ARGUMENTS)
    calls = [", ".join(parts[start : start + _MAX_ARGUMENTS]) for start in starts]
    return "(" + " || ".join(f"jsonb_build_{kind}({one})" for one in calls) + ")"


def _item(within: Within) -> str:
    return f"v{within.depth}.value"


def _collected(aggregate: str, array: str, value: str, within: Within) -> str:
    empty = "'[]'" if aggregate == "agg" else "'{}'"
    name = f"v{within.depth}"
    order = f" ORDER BY {name}.place" if aggregate == "agg" else ""
    # Of an array that is absent there are no rows; of a null there would be an error.
    items = f"jsonb_array_elements(nullif({array}, 'null')) WITH ORDINALITY"
    collected = f"coalesce(jsonb_{aggregate}({value}{order}), {empty})"
    return f"(SELECT {collected} FROM {items} AS {name} (value, place))"  # noqa: S608 - quoted
