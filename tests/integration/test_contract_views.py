"""What the SQL of views shows of real rows is what Python decodes, and no other rows."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from stellar_sdk import xdr

from sorobanflow.contracts.matching import NamedCall, NamedEvent, name_call, name_event
from sorobanflow.contracts.names import RESERVED
from sorobanflow.contracts.spec import Spec
from sorobanflow.contracts.types import (
    VAL,
    BytesN,
    Enum,
    Field,
    Member,
    Named,
    Option,
    Plain,
    Struct,
    Tuple,
    Type,
    Vec,
)
from sorobanflow.contracts.values import Mismatch, decode_value
from sorobanflow.contracts.views import TypedView, event_view, function_view, struct_view
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.property.spec_strategies import (
    call,
    draw_event,
    draw_function,
    draw_value,
    emit,
    sep51,
    specs,
)
from tests.property.test_decode_scval import present_values

# What fails is shown as it was drawn: making it smaller takes minutes.
few = settings(
    phases=[Phase.generate], max_examples=8, deadline=None, suppress_health_check=list(HealthCheck)
)
Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Iterator[Connection]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        yield connection


def shown(connection: Connection, view: TypedView, **row: Any) -> list[Any] | None:
    """The columns of a view over one row; None if it does not show it."""
    columns = ", ".join(f"{one.expression} AS {one.name}" for one in view.columns)
    cells = ", ".join(f"%({name})s::jsonb AS {name}" for name in row)
    quoted = view.condition.replace("%", "%%"), columns.replace("%", "%%")
    query = f"SELECT {quoted[1]} FROM (SELECT {cells}) AS t WHERE {quoted[0]}"
    values = {name: None if value is None else json.dumps(value) for name, value in row.items()}
    found = connection.execute(query, values).fetchone()
    return None if found is None else [_plain(value) for value in found]


def _plain(value: Any) -> Any:
    """Numbers as text, so that those of numeric columns compare with those of JSON."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if type(value) not in (str, bool, type(None)) else value


@few
@given(st.data())
def test_the_view_of_an_event_shows_what_is_named(
    connection: Connection, data: st.DataObject
) -> None:
    ours, other = draw_event(data.draw, "Ours"), draw_event(data.draw, "Other")
    spec = Spec((*data.draw(specs()).entries, ours, other))
    for event in (ours, other):
        topics, value, _ = emit(data.draw, event, spec)
        named = name_event(topics, value, spec)
        expected = None
        if isinstance(named, NamedEvent) and named.name == "Ours":
            expected = [_plain(one) for one in named.params.values()]
        view = event_view(ours, spec)
        assert shown(connection, view, topics=topics, value=value) == expected


@few
@given(st.data())
def test_the_view_of_a_function_shows_what_is_named(
    connection: Connection, data: st.DataObject
) -> None:
    function = draw_function(data.draw)
    spec = Spec((*data.draw(specs()).entries, function))
    arguments, result, _ = call(data.draw, function, spec)
    strangers = [sep51(one) for one in data.draw(st.lists(present_values, max_size=2))]
    view = function_view(function, spec)
    for given_, returned in ((arguments, result), (arguments, None), (strangers, result)):
        named = name_call("call", given_, returned, spec)
        expected = None
        if isinstance(named, NamedCall):
            outcome = {"result": named.result, "error": named.error}
            columns = [one.name for one in view.columns[len(given_) :]]
            values = [*named.arguments.values(), *(outcome[name[:6]] for name in columns)]
            expected = [_plain(one) for one in values]
        assert shown(connection, view, arguments=given_, result=returned) == expected


@few
@given(st.data(), present_values)
def test_the_view_of_a_struct_shows_what_is_decoded(
    connection: Connection, data: st.DataObject, stranger: xdr.SCVal
) -> None:
    spec = data.draw(specs())
    for struct in (one for one in spec.types.values() if isinstance(one, Struct)):
        kind = Named(struct.name)
        for value in (draw_value(data.draw, kind, spec).scval, stranger):
            decoded = decode_value(sep51(value), kind, spec)
            cells = decoded.values() if isinstance(decoded, dict) else decoded
            expected = None if isinstance(decoded, Mismatch) else [_plain(one) for one in cells]
            view = struct_view(struct, spec)
            assert shown(connection, view, value=sep51(value)) == expected


def test_the_view_of_a_struct_shows_no_value_that_is_almost_one(connection: Connection) -> None:
    u32, i32 = {"u32": 1}, {"i32": 1}
    kinds: list[tuple[Type, Any, list[Any]]] = [
        (Vec(Option(Plain("u32"))), {"vec": [u32, "void"]}, [{"vec": [u32, i32]}, {"vec": None}]),
        (Vec(Plain("void")), {"vec": ["void"]}, [{"vec": [u32]}, "void"]),
        (Tuple((Plain("u32"), VAL)), {"vec": [u32, i32]}, [{"vec": [u32]}, {"vec": [u32] * 3}]),
        (Tuple((VAL,)), {"vec": [u32]}, [{"vec": None}, {"vec": []}, u32]),
        (BytesN(1), {"bytes": "00"}, [{"bytes": ""}, {"bytes": "0000"}, {"string": "00"}]),
        (BytesN(200), {"bytes": "0f" * 200}, [{"bytes": "0f" * 199}]),
        (Named("Suit"), {"u32": 7}, [{"u32": 8}, i32]),
        (Named("Fault"), {"error": {"contract": 1}}, [{"error": {"contract": 2}}, u32]),
    ]
    enums = (Enum("Suit", (Member("A", 7),)), Enum("Fault", (Member("B", 1),), is_error=True))
    for kind, right, wrong in kinds:
        spec = Spec((*enums, Struct("S", (Field("0", kind),))))
        struct = spec.types["S"]
        assert isinstance(struct, Struct)
        view = struct_view(struct, spec)
        rows = [shown(connection, view, value={"vec": [one]}) for one in (right, *wrong)]
        assert [row is None for row in rows] == [False, *(True for _ in wrong)]


def test_reserved_words_are_those_of_postgresql(connection: Connection) -> None:
    rows = connection.execute("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")
    assert {word for (word,) in rows} - RESERVED == set()
