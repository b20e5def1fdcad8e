"""Describe typed views of events, functions and structs: their columns, and the rows they show.

Nothing is created here: sources are SQL expressions of the table below the view, of type jsonb.
Invariant: a view shows what `matching` names, and nothing else: where a value matches several
events of a spec, none of their views shows it. Names of columns are safe (`names`).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sorobanflow.contracts.json_columns import ColumnWriter, field_sources
from sorobanflow.contracts.json_paths import NEVER, Budget, PathWriter
from sorobanflow.contracts.names import literal, safe_name
from sorobanflow.contracts.spec import Event, Function, Spec
from sorobanflow.contracts.types import VOID, Named, Result, Struct, Type
from sorobanflow.contracts.values import NamedType
from sorobanflow.errors import DecodeError


@dataclass(frozen=True)
class Column:
    """A column of a view."""

    name: str
    sql_type: str
    expression: str
    comment: str


@dataclass(frozen=True)
class TypedView:
    """The columns of a view, and the SQL condition of its rows."""

    columns: tuple[Column, ...]
    condition: str


class _Writer:
    """Writes the columns and conditions of one view, of which all share a budget."""

    def __init__(self, spec: Spec, taken: Iterable[str]) -> None:
        budget = Budget()
        self.paths = PathWriter(spec, budget)
        self._values = ColumnWriter(spec, budget)
        self._taken = set(taken)

    def column(self, name: str, kind: Type, source: str, doc: str = "") -> Column:
        free = safe_name(name, self._taken)
        self._taken.add(free)
        return Column(free, *self._values.column(kind, source), doc)


def event_view(
    event: Event,
    spec: Spec,
    taken: Iterable[str] = (),
    topics: str = "topics",
    value: str = "value",
) -> TypedView:
    """Describe the view of an event.

    Args:
        event: One of the spec's.
        spec: Of the Wasm that ran.
        taken: Names of columns that the view has already.
        topics: Source of the topics, an array.
        value: Source of the data.

    Raises:
        DecodeError: two parameters have one name, or the types are too many.
    """
    _check_names(event.name, event.params)
    writer = _Writer(spec, taken)
    sources = dict(_event_sources(event, topics, value))
    params = event.params
    columns = [writer.column(one.name, one.type, sources[one.name], one.doc) for one in params]
    condition = _event_condition(event, writer.paths, topics, value)
    for other in _rivals(event, spec):
        rival = _event_condition(other, writer.paths, topics, value)
        condition += f" AND ({rival}) IS NOT TRUE"
    return TypedView(tuple(columns), condition)


def _check_names(of: str, values: Sequence[NamedType]) -> None:
    if len({one.name for one in values}) != len(values):
        raise DecodeError(f"{of:.60} has two parameters of one name")


def _event_sources(event: Event, topics: str, value: str) -> Iterator[tuple[str, str]]:
    for place, param in enumerate(event.topics, len(event.prefix)):
        yield param.name, f"{topics}->{place}"
    if event.data_format == "map":
        yield from field_sources(event.data, value).items()
    for place, param in enumerate(event.data):
        if event.data_format == "vec":
            yield param.name, f"{value}->'vec'->{place}"
        elif event.data_format == "single_value":
            yield param.name, value


def _event_condition(event: Event, paths: PathWriter, topics: str, value: str) -> str:
    prefix = [_is_name(name, place) for place, name in enumerate(event.prefix)]
    kinds = [param.type for param in event.topics]
    in_topics = paths.items(kinds, "$", first=len(prefix))
    of_topics = " && ".join([*prefix, in_topics])
    return f"{topics} @@ {literal(of_topics)} AND {value} @@ {literal(_data(event, paths))}"


def _is_name(name: str, place: int) -> str:
    text = json.dumps(name)
    return f"($[{place}].symbol == {text} || $[{place}].string == {text})"


def _data(event: Event, paths: PathWriter) -> str:
    kinds = [param.type for param in event.data]
    if event.data_format == "map":
        return paths.fields(event.data, "$")
    if event.data_format == "vec":
        return paths.items(kinds, "$.vec")
    if not kinds:
        return paths.predicate(VOID, "$")
    return paths.predicate(kinds[0], "$") if len(kinds) == 1 else NEVER


def _rivals(event: Event, spec: Spec) -> list[Event]:
    """Find the other events that may match the same topics."""

    def may_match(other: Event) -> bool:
        size, other_size = (len(one.prefix) + len(one.topics) for one in (event, other))
        heads = zip(event.prefix, other.prefix, strict=False)
        return size == other_size and all(one == two for one, two in heads)

    return [other for other in spec.events if other != event and may_match(other)]


def function_view(
    function: Function,
    spec: Spec,
    taken: Iterable[str] = (),
    arguments: str = "arguments",
    result: str = "result",
) -> TypedView:
    """Describe the view of a function's calls: its arguments, then result and error, if any.

    Sources and errors are those of `event_view`: the arguments are an array, the result is null
    where a call did not return. The condition leaves the function's name to the caller.
    """
    _check_names(function.name, function.inputs)
    writer = _Writer(spec, taken)
    columns = [
        writer.column(one.name, one.type, f"{arguments}->{place}", one.doc)
        for place, one in enumerate(function.inputs)
    ]
    columns += _outcome(function.output, writer, result)
    given = writer.paths.items([one.type for one in function.inputs], "$")
    returned = writer.paths.predicate(function.output, "$")
    is_known = f"({result} IS NULL OR {result} @@ {literal(returned)})"
    return TypedView(tuple(columns), f"{arguments} @@ {literal(given)} AND {is_known}")


def _outcome(output: Type, writer: _Writer, result: str) -> Iterator[Column]:
    fine = result
    if isinstance(output, Result):
        fine = f"(CASE WHEN {result}->'error' IS NULL THEN {result} END)"
    value = output.ok if isinstance(output, Result) else output
    if value != VOID:
        column = writer.column("result", value, fine)
        # What is built of an absent value would be an empty array or object.
        shown = f"CASE WHEN {fine} IS NOT NULL THEN {column.expression} END"
        yield replace(column, expression=shown)
    if isinstance(output, Result):
        yield writer.column("error", output.error, result)


def struct_view(
    struct: Struct, spec: Spec, taken: Iterable[str] = (), value: str = "value"
) -> TypedView:
    """Describe the view of stored values that are a struct; errors are those of `event_view`."""
    _check_names(struct.name, struct.fields)
    writer = _Writer(spec, taken)
    if struct.is_tuple:
        sources = {one.name: f"{value}->'vec'->{one.name}" for one in struct.fields}
    else:
        sources = field_sources(struct.fields, value)
    fields = struct.fields
    columns = [writer.column(one.name, one.type, sources[one.name], one.doc) for one in fields]
    condition = writer.paths.predicate(Named(struct.name), "$")
    return TypedView(tuple(columns), f"{value} @@ {literal(condition)}")
