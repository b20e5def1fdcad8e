"""The SQL functions of the views decode what Python decodes, of right and wrong values alike."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from stellar_sdk import xdr

from sorobanflow.contracts.decoders import MAX_ALIKE, MAX_EVENTS, Decoders
from sorobanflow.contracts.learning import Summary, inferred_events
from sorobanflow.contracts.matching import NamedCall, NamedEvent, Unnamed, name_call, name_event
from sorobanflow.contracts.spec import Event, Function, Param, Spec
from sorobanflow.contracts.types import (
    ANY_ERROR,
    VAL,
    VOID,
    BytesN,
    Case,
    Enum,
    Field,
    Map,
    Member,
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
from sorobanflow.contracts.values import MAX_DEPTH
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.integration.named_activity import (
    Activity,
    Call,
    Names,
    interfaces,
    of_core_tests,
    of_recording,
)
from tests.property.spec_strategies import (
    call,
    draw_event,
    draw_function,
    emit,
    sep51,
    specs,
)
from tests.property.test_decode_scval import present_values
from tests.whole_ledgers import CORE_PASSPHRASE, PUBNET

# What fails is shown as it was drawn: making it smaller takes minutes.
few = settings(
    phases=[Phase.generate], max_examples=8, deadline=None, suppress_health_check=list(HealthCheck)
)
Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres, migrated: str) -> Iterator[Connection]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE functions TEMPLATE "{migrated}"'.encode())
    with psycopg.connect(postgres.url_of("functions"), autocommit=True) as connection:
        yield connection


def ask(connection: Connection, function: str, *arguments: Any) -> Any:
    """Call a function with JSON; None is the SQL NULL."""
    marks = ", ".join("%s::jsonb" for _ in arguments)
    cells = [None if one is None else json.dumps(one) for one in arguments]
    answer: Any = connection.execute(f"SELECT stored.{function}({marks})".encode(), cells)
    return answer.fetchone()[0]


def call_in_sql(
    connection: Connection, function: Function, arguments: Any, result: Any, spec: Spec
) -> Any:
    """Name a call, as `name_call` does."""
    decoder = Decoders(spec).function(function)
    outcome = ask(connection, "call_by", decoder, arguments, result)
    if "reason" in outcome:
        return Unnamed(outcome["reason"], "")
    parts = (outcome["arguments"], outcome.get("result"), outcome.get("error"))
    return NamedCall(function.name, *parts)


def event_in_sql(connection: Connection, topics: Any, value: Any, spec: Spec) -> Any:
    """Name an event, as `name_event` does."""
    declared: dict[str, Any] = {}
    for one in map(Decoders(spec).event, spec.events):
        declared.setdefault(one["key"], []).append(one)
    outcome = ask(connection, "event_of", declared, topics, value)
    if "reason" in outcome:
        return Unnamed(outcome["reason"], "")
    return NamedEvent(outcome["event"], outcome["params"])


def stated(named: Any) -> Any:
    """What the SQL tells of an outcome: of what has no name, the kind."""
    return Unnamed(named.kind, "") if isinstance(named, Unnamed) else named


@few
@given(st.data(), st.lists(present_values, max_size=2))
def test_calls_are_named_as_in_python(
    connection: Connection, data: st.DataObject, strangers: list[xdr.SCVal]
) -> None:
    functions = [draw_function(data.draw) for _ in range(2)]
    spec = Spec((*data.draw(specs()).entries, functions[0]))
    other = [sep51(one) for one in strangers]
    right, wrong = (call(data.draw, function, spec) for function in functions)
    results = (right.result, wrong.result, None, *other)
    cases = [(right.arguments, result) for result in results]
    for arguments, result in [*cases, (wrong.arguments, None), (other, None)]:
        expected = name_call("call", arguments, result, spec)
        found = call_in_sql(connection, functions[0], arguments, result, spec)
        assert found == stated(expected)


@few
@given(st.data(), st.lists(present_values, min_size=1, max_size=3))
def test_events_are_named_as_in_python(
    connection: Connection, data: st.DataObject, strangers: list[xdr.SCVal]
) -> None:
    events = [draw_event(data.draw, name) for name in ("One", "Two")]
    twin = Event("Twin", events[0].prefix, events[0].params, events[0].data_format)
    declared = (*events, *data.draw(st.sampled_from([(), (twin,)])))
    spec = Spec((*data.draw(specs()).entries, *declared))
    for event in events:
        topics, value, _ = emit(data.draw, event, spec)
        other = [sep51(one) for one in strangers]
        for one, of in ((topics, value), (topics, other[0]), ([*topics, *other], value)):
            expected = name_event(one, of, spec)
            assert event_in_sql(connection, one, of, spec) == stated(expected)


U32, I32 = {"u32": 1}, {"i32": 1}
SUIT, FAULT = Enum("Suit", (Member("A", 7),)), Enum("Fault", (Member("B", 1),), is_error=True)
NONE = Struct("None", ())
TWINS = Struct("Twins", (Field("a", VAL), Field("a", VAL)))
SHAPE = Union("Shape", (Case("A"), Case("B", (Plain("u32"),)), Case("C"), Case("C")))
LIST = Struct("List", (Field("head", Plain("u32")), Field("tail", Option(Named("List")))))
CHAIN = Union("Chain", (Case("End"), Case("Next", (Vec(Named("Chain")), Plain("u32")))))
PAIR = Struct("Pair", (Field("b", Plain("u32")), Field("a", VAL)))
KINDS = ("symbol", "string")
SPEC = Spec((SUIT, FAULT, NONE, TWINS, SHAPE, LIST, CHAIN, PAIR))
SYMBOL = {"symbol": "A"}


def entries(*pairs: Any) -> Any:
    return {"map": [{"key": key, "val": value} for key, value in pairs]}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Vec(Option(Plain("u32"))), [{"vec": [U32, "void"]}, {"vec": [U32, I32]}, {"vec": None}]),
        (Vec(Plain("void")), [{"vec": ["void"]}, {"vec": [U32]}, "void", {"vec": []}]),
        (Tuple((Plain("u32"), VAL)), [{"vec": [U32, I32]}, {"vec": [U32]}, {"vec": [U32] * 3}]),
        (BytesN(1), [{"bytes": "00"}, {"bytes": ""}, {"bytes": "0000"}, {"string": "00"}]),
        (Named("Suit"), [{"u32": 7}, {"u32": 8}, I32]),
        (Named("Fault"), [{"error": {"contract": one}} for one in (1, 2)]),
        (Named("Fault"), [{"error": {"budget": "exceeded_limit"}}, U32]),
        (ANY_ERROR, [{"error": {"contract": one}} for one in (1, 2)]),
        (ANY_ERROR, [{"error": {"auth": "invalid_action"}}, "void"]),
        (Result(VOID, ANY_ERROR), [{"error": {"contract": 2}}, "void", U32]),
        (Result(VOID, Plain("u32")), [{"error": {"contract": 1}}]),
        (Named("None"), [{"vec": []}, {"map": []}, "void", {"vec": [U32]}]),
        (Named("Twins"), [entries((SYMBOL, U32), (SYMBOL, U32)), {"map": []}]),
        (Named("Shape"), [{"vec": [SYMBOL]}, {"vec": [SYMBOL, U32]}, {"vec": []}, {"vec": None}]),
        (Named("Shape"), [{"vec": [{"symbol": one}, U32]} for one in "BCD"]),
        (Named("Shape"), [{"vec": [{"symbol": "C"}]}]),
        (Named("Absent"), [U32, "void"]),
        (Named("Pair"), [entries(({kind: "a"}, U32), ({"symbol": "b"}, U32)) for kind in KINDS]),
        (Named("Pair"), [entries(({"symbol": one}, U32), ({"symbol": "b"}, U32)) for one in "bc"]),
        (Map(Plain("u32"), VAL), [entries((U32, SYMBOL)), entries((U32, I32), (U32, I32))]),
        (Map(Plain("bool"), VAL), [entries(({"bool": True}, SYMBOL)), {"map": None}]),
        (Map(Named("Suit"), VAL), [entries(({"u32": 7}, "void")), entries((U32, "void"))]),
        (Plain("muxed_address"), [{"address": "MA"}, {"contract_instance": {"storage": None}}]),
    ],
)
def test_values_that_are_almost_of_a_type(
    connection: Connection, kind: Type, values: Sequence[Any]
) -> None:
    function = Function("f", (Field("a", kind),), kind)
    spec = Spec((*SPEC.entries, function))
    for value in values:
        expected = name_call("f", [value], value, spec)
        assert call_in_sql(connection, function, [value], value, spec) == stated(expected)


def test_events_that_begin_alike_are_told_apart(connection: Connection) -> None:
    topic = (Param("t", Plain("u32"), in_topics=True),)
    prefixes = [("a", "b"), ("a",), ("",), ()]
    events = [Event(f"E{at}", prefix, topic, "vec") for at, prefix in enumerate(prefixes)]
    spec = Spec((*events, Event("Plain", ("a",), (), "single_value")))
    names = [[{"symbol": "a"}, {"string": "b"}], [{"symbol": "a"}, SYMBOL], [SYMBOL], [U32], []]
    names += [[{"string": "a"}], [{"symbol": ""}], [{"u32": 0}, {"symbol": "b"}]]
    found = set()
    for first in names:
        for topics in (first, [*first, U32], [*first, I32]):
            for value in ("void", {"vec": []}):
                expected = stated(name_event(topics, value, spec))
                assert event_in_sql(connection, topics, value, spec) == expected
                found.add(expected[0])
    assert found == {"E0", "E1", "E2", "E3", "Plain", "other shape"}


def _nested(name: str, inner: Any) -> Any:
    """A value of a type of SPEC that holds itself."""
    if name == "List":
        return entries(({"symbol": "head"}, U32), ({"symbol": "tail"}, inner))
    return {"vec": [{"symbol": "Next"}, {"vec": [inner]}, U32]}


@pytest.mark.parametrize(
    ("name", "last"), [("List", "void"), ("Chain", {"vec": [{"symbol": "End"}]})]
)
def test_a_type_that_holds_itself_is_decoded_to_the_same_depth(
    connection: Connection, name: str, last: Any
) -> None:
    """Both hold themselves in every second level: in an option, or in a vec."""
    function = Function("f", (), Named(name))
    spec = Spec((*SPEC.entries, function))
    values = [last]
    for _ in range(MAX_DEPTH // 2 + 2):
        values.append(_nested(name, values[-1]))
    for one in values[1:3] + values[-4:]:
        expected = name_call("f", [], one, spec)
        assert call_in_sql(connection, function, [], one, spec) == stated(expected)
    assert isinstance(name_call("f", [], values[-4], spec), NamedCall)
    assert isinstance(name_call("f", [], values[-1], spec), Unnamed)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("void", None),
        ("ledger_key_contract_instance", "ledger_key_contract_instance"),
        ({"i128": "5"}, "5"),
        ({"error": {"contract": 1}}, {"contract": 1}),
        ({"vec": [U32, {"vec": None}, {"vec": []}]}, [1, None, []]),
        (entries((SYMBOL, U32), ({"u32": 2}, "void")), {"A": 1, "2": None}),
        (entries(({"string": "1"}, U32), (U32, U32)), [["1", 1], [1, 1]]),
        (entries(({"vec": [SYMBOL]}, entries())), [[["A"], {}]]),
        ({"map": None}, None),
    ],
)
def test_a_value_of_no_known_type_is_plain(
    connection: Connection, value: Any, expected: Any
) -> None:
    assert ask(connection, "plain", value) == expected


@few
@given(st.lists(present_values, min_size=1, max_size=4))
def test_any_event_has_the_inferred_name_of_its_shape(
    connection: Connection, values: list[xdr.SCVal]
) -> None:
    *topics, value = [sep51(one) for one in values]
    for first in ([], [SYMBOL], [{"string": "s"}, SYMBOL], [SYMBOL, SYMBOL]):
        summary = Summary()
        summary.add([*first, *topics], value, 5)
        (learnt,) = inferred_events(summary)
        outcome = ask(connection, "inferred", [*first, *topics], value)
        assert outcome["event"] == learnt.event.name
        assert set(outcome["params"]) == {one.name for one in learnt.event.params}


def test_what_is_too_large_or_deep_is_no_error(connection: Connection) -> None:
    deep: Any = U32
    for _ in range(199):
        deep = {"vec": [deep]}
    plain = ask(connection, "plain", deep)
    for _ in range(MAX_DEPTH + 1):
        (plain,) = plain
    assert set(plain) == {"vec"}
    ring = [Struct(f"S{at}", (Field("a", Named(f"S{at + 1}")),)) for at in range(3000)]
    function = Function("f", (Field("a", Named("S0")),), VOID)
    spec = Spec((*ring, function))
    assert call_in_sql(connection, function, [U32], None, spec) == Unnamed("types too large", "")
    event = Event("E", (), (Param("a", Named("S0"), in_topics=False),), "single_value")
    for count, name in ((MAX_ALIKE, "E"), (MAX_ALIKE + 1, None), (MAX_EVENTS + 1, None)):
        alike = [Event("E", (), (), "vec", doc=str(at)) for at in range(count)]
        found = event_in_sql(connection, [], {"vec": []}, Spec(tuple(alike)))
        assert found == (NamedEvent(name, {}) if name else Unnamed("types too large", ""))
    fits = Event("F", (), (Param("a", Plain("u32"), in_topics=False),), "single_value")
    spec = Spec((*ring, fits, event))
    assert event_in_sql(connection, [], U32, spec) == Unnamed("types too large", "")


class Compared(Names):
    """Names what real transactions did in SQL too, once for each call and event."""

    def __init__(self, passphrase: str, data: Path, connection: Connection) -> None:
        super().__init__(passphrase, interfaces(data))
        self.connection = connection
        self.seen: set[str] = set()

    def _is_new(self, *parts: Any) -> bool:
        key = json.dumps(parts, default=str)
        is_new = key not in self.seen
        self.seen.add(key)
        return is_new

    def _count_call(self, call: Call, spec: Spec | None) -> None:
        function = spec.functions.get(call.function) if spec else None
        if spec and function and self._is_new(call, id(function)):
            expected = name_call(call.function, call.arguments, call.result, spec)
            given_ = (call.arguments, call.result)
            assert call_in_sql(self.connection, function, *given_, spec) == stated(expected)

    def _count_event(self, contract: str, event: Any, spec: Spec | None, of: Activity) -> None:
        if self._is_new(event, id(spec)):
            if spec:
                found = event_in_sql(self.connection, *event, spec)
                assert found == stated(name_event(*event, spec))
            outcome = ask(self.connection, "inferred", *event)
            assert outcome["inferred"]


def test_events_of_pubnet_are_named_as_in_python(connection: Connection, test_data: Path) -> None:
    names = Compared(PUBNET, test_data, connection)
    for activity in of_recording(test_data / "recordings" / "pubnet-63800060.jsonl.gz"):
        names.add(activity)
    assert len(names.seen) > 100


@pytest.mark.long
def test_activity_of_the_core_tests_is_named_as_in_python(
    connection: Connection, test_data: Path
) -> None:
    names = Compared(CORE_PASSPHRASE, test_data, connection)
    for chain in of_core_tests(test_data):
        names.forget()
        for activity in chain:
            names.add(activity)
    assert len(names.seen) > 300
