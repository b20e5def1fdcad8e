"""Specs and values of them, encoded by stellar-sdk, are read and decoded to the same."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stellar_sdk import scval, xdr

from sorobanflow.contracts.matching import NamedCall, NamedEvent, Unnamed, name_call, name_event
from sorobanflow.contracts.reading import read_interface
from sorobanflow.contracts.spec import Event, Field, Function, Param, Plain, Result, Spec
from sorobanflow.contracts.values import Mismatch, decode_value
from sorobanflow.decode.scval import read_scval
from tests.property.spec_strategies import (
    OTHERS,
    Value,
    draw_value,
    names,
    specs,
    struct_value,
    types,
)
from tests.property.test_decode_scval import present_values
from tests.unit.spec_xdr import HEAD, section, spec_section, wasm

few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


known_types = types(len(OTHERS))


def json_of(value: xdr.SCVal) -> Any:
    return read_scval(value.to_xdr_bytes())


def read_back(spec: Spec) -> Spec:
    interface = read_interface(wasm(spec, rsver="1.89.0"))
    assert (interface.problems, interface.meta) == ((), (("rsver", "1.89.0"),))
    return interface.spec


@few
@given(st.data())
def test_values_of_a_spec_come_back(data: st.DataObject) -> None:
    spec = data.draw(specs())
    assert read_back(spec) == spec
    kind = data.draw(known_types)
    value = draw_value(data.draw, kind, spec)
    assert decode_value(json_of(value.scval), kind, spec) == value.plain


@few
@given(st.data())
def test_events_of_a_spec_come_back(data: st.DataObject) -> None:
    declared = data.draw(specs())
    kinds = data.draw(st.lists(known_types, max_size=4))
    ours = data.draw(st.lists(names, min_size=len(kinds), max_size=len(kinds), unique=True))
    data_format = data.draw(st.sampled_from(["single_value", "vec", "map"]))
    in_topics = [
        (data_format == "single_value" and place > 0) or data.draw(st.booleans())
        for place in range(len(kinds))
    ]
    params = tuple(Param(*one) for one in zip(ours, kinds, in_topics, strict=True))
    prefix = tuple(data.draw(st.lists(names, max_size=2)))
    event = Event("Happened", prefix, params, data_format)
    spec = read_back(Spec((*declared.entries, event)))
    values = {one.name: draw_value(data.draw, one.type, spec) for one in params}
    topics = [scval.to_symbol(one) for one in prefix]
    topics += [values[one.name].scval for one in event.topics]
    topic_values = [json_of(one) for one in topics]
    value = json_of(_event_data(event, {one.name: values[one.name] for one in event.data}))
    plain = {name: one.plain for name, one in values.items()}
    assert name_event(topic_values, value, spec) == NamedEvent("Happened", plain)
    assert isinstance(name_event([*topic_values, "void"], value, spec), Unnamed)


def _event_data(event: Event, values: dict[str, Value]) -> xdr.SCVal:
    if event.data_format == "map":
        return struct_value(values).scval
    if event.data_format == "vec":
        return scval.to_vec([one.scval for one in values.values()])
    return next((one.scval for one in values.values()), scval.to_void())


@few
@given(st.data())
def test_calls_of_a_spec_come_back(data: st.DataObject) -> None:
    declared = data.draw(specs())
    kinds = data.draw(st.lists(known_types, max_size=3))
    output = data.draw(known_types.filter(lambda one: not isinstance(one, Result)))
    ours = data.draw(st.lists(names, min_size=len(kinds), max_size=len(kinds), unique=True))
    function = Function("call", tuple(map(Field, ours, kinds)), output)
    spec = read_back(Spec((*declared.entries, function)))
    values = [draw_value(data.draw, one, spec) for one in kinds]
    result = draw_value(data.draw, output, spec)
    arguments = [json_of(one.scval) for one in values]
    plain = dict(zip(ours, (one.plain for one in values), strict=True))
    expected = NamedCall("call", plain, result.plain, None)
    assert name_call("call", arguments, json_of(result.scval), spec) == expected
    assert isinstance(name_call("call", [*arguments, "void"], None, spec), Unnamed)


@few
@given(st.data(), present_values)
def test_any_value_is_decoded_or_refused(data: st.DataObject, value: xdr.SCVal) -> None:
    spec = data.draw(specs())
    kind = data.draw(known_types)
    sep51 = json_of(value)
    decoded = decode_value(sep51, kind, spec)
    arm = sep51 if isinstance(sep51, str) else next(iter(sep51))
    if isinstance(kind, Plain) and not isinstance(decoded, Mismatch):
        assert arm == kind.name.removeprefix("muxed_")


@few
@given(st.data())
def test_damaged_wasms_are_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(wasm(data.draw(specs()), sep="41"))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    interface = read_interface(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    assert interface.spec.entries or interface.problems


@few
@given(st.binary(min_size=1, max_size=100))
def test_any_bytes_are_no_error(raw: bytes) -> None:
    for code in (raw, HEAD + raw, HEAD + section("contractspecv0", raw)):
        interface = read_interface(code)
        assert interface.spec.entries or interface.problems


def test_a_spec_of_plain_types_has_the_bytes_of_stellar_sdk() -> None:
    """The strategies above encode what they say."""
    spec = Spec((Function("f", (Field("a", Plain("u32")),), Plain("void")),))
    assert spec_section(spec).hex() == (
        "00000000000000000000000166000000000000010000000000000001610000000000000400000000"
    )
