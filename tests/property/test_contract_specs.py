"""Specs and values of them, encoded by stellar-sdk, are read and decoded to the same."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stellar_sdk import xdr

from sorobanflow.contracts.matching import NamedEvent, Unnamed, name_call, name_event
from sorobanflow.contracts.reading import read_interface
from sorobanflow.contracts.spec import Function, Spec
from sorobanflow.contracts.types import Field, Plain
from sorobanflow.contracts.values import Mismatch, decode_value
from tests.property.spec_strategies import (
    call,
    draw_event,
    draw_function,
    draw_value,
    emit,
    known_types,
    sep51,
    specs,
)
from tests.property.test_decode_scval import present_values
from tests.unit.spec_xdr import HEAD, section, spec_section, wasm

few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


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
    assert decode_value(sep51(value.scval), kind, spec) == value.plain


@few
@given(st.data())
def test_events_of_a_spec_come_back(data: st.DataObject) -> None:
    event = draw_event(data.draw, "Happened")
    spec = read_back(Spec((*data.draw(specs()).entries, event)))
    topics, value, plain = emit(data.draw, event, spec)
    assert name_event(topics, value, spec) == NamedEvent("Happened", plain)
    assert isinstance(name_event([*topics, "void"], value, spec), Unnamed)


@few
@given(st.data())
def test_calls_of_a_spec_come_back(data: st.DataObject) -> None:
    function = draw_function(data.draw)
    spec = read_back(Spec((*data.draw(specs()).entries, function)))
    arguments, result, named = call(data.draw, function, spec)
    assert name_call("call", arguments, result, spec) == named
    assert isinstance(name_call("call", [*arguments, "void"], None, spec), Unnamed)


@few
@given(st.data(), present_values)
def test_any_value_is_decoded_or_refused(data: st.DataObject, value: xdr.SCVal) -> None:
    spec = data.draw(specs())
    kind = data.draw(known_types)
    stated = sep51(value)
    decoded = decode_value(stated, kind, spec)
    arm = stated if isinstance(stated, str) else next(iter(stated))
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
