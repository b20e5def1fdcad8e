"""Specs, and values of their types: as stellar-sdk's SCVals, and as the plain JSON they mean."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st
from stellar_sdk import Address, scval, xdr

from sorobanflow.contracts.matching import NamedCall
from sorobanflow.contracts.spec import Event, Function, Param, Spec
from sorobanflow.contracts.types import (
    BytesN,
    Case,
    Declared,
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
from sorobanflow.decode.reader import escape
from sorobanflow.decode.scval import read_scval


class Value(NamedTuple):
    """A value of a type, and the JSON that it has to become."""

    scval: xdr.SCVal
    plain: Any


Draw = Callable[[st.SearchStrategy[Any]], Any]

names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True)
docs = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=20)
_hashes = st.binary(min_size=32, max_size=32)
_accounts = _hashes.map(lambda raw: Address.from_raw_account(raw).address)
_contracts = _hashes.map(lambda raw: Address.from_raw_contract(raw).address)
_addresses = st.one_of(_accounts, _contracts)


def _numbers(bits: int, make: Callable[[int], xdr.SCVal], signed: bool = False) -> Any:
    low = -(2 ** (bits - 1)) if signed else 0
    plain: Callable[[int], Any] = int if bits == 32 else str
    return st.integers(low, low + 2**bits - 1).map(lambda one: Value(make(one), plain(one)))


_LEAVES: dict[str, st.SearchStrategy[Value]] = {
    "bool": st.booleans().map(lambda one: Value(scval.to_bool(one), one)),
    "u32": _numbers(32, scval.to_uint32),
    "i32": _numbers(32, scval.to_int32, signed=True),
    "u64": _numbers(64, scval.to_uint64),
    "i64": _numbers(64, scval.to_int64, signed=True),
    "timepoint": _numbers(64, scval.to_timepoint),
    "duration": _numbers(64, scval.to_duration),
    "u128": _numbers(128, scval.to_uint128),
    "i128": _numbers(128, scval.to_int128, signed=True),
    "u256": _numbers(256, scval.to_uint256),
    "i256": _numbers(256, scval.to_int256, signed=True),
    "bytes": st.binary(max_size=20).map(lambda one: Value(scval.to_bytes(one), one.hex())),
    "string": st.binary(max_size=20).map(lambda one: Value(scval.to_string(one), escape(one))),
    "symbol": names.map(lambda one: Value(scval.to_symbol(one), one)),
    "address": _addresses.map(lambda one: Value(scval.to_address(one), one)),
    "muxed_address": _addresses.map(lambda one: Value(scval.to_address(one), one)),
    "void": st.just(Value(scval.to_void(), None)),
}
_KEYS = ["u32", "u64", "i128", "bytes", "string", "symbol", "address"]


#: The declared types: errors, an enum, and others, each of which may hold those before it. Their
#: names are constant, because hypothesis takes long to make a strategy, not to draw from it.
ERROR, ENUM, *OTHERS = ("Fault", "Suit", "First", "Second", "Third")


@cache
def types(declared: int) -> st.SearchStrategy[Type]:
    """Types that are made of plain ones, and of the enum and the first of the others."""
    leaves = st.sampled_from(sorted(_LEAVES)).map(Plain)
    sized = st.builds(BytesN, st.integers(0, 33))
    base = st.one_of(leaves, sized, st.sampled_from([ENUM, *OTHERS[:declared]]).map(Named))

    def nest(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
        # An option within an option, or of void, is two types of one value.
        present = inner.filter(
            lambda one: not isinstance(one, Option | Result) and one != Plain("void")
        )
        return st.one_of(
            st.builds(Option, present),
            st.builds(Result, inner.filter(_is_no_result), st.just(Named(ERROR))),
            st.builds(Vec, inner),
            st.builds(Map, st.sampled_from(_KEYS).map(Plain), inner),
            st.builds(Tuple, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        )

    return st.recursive(base, nest, max_leaves=4)


def _is_no_result(kind: Type) -> bool:
    return not isinstance(kind, Result)


@st.composite
def specs(draw: Draw) -> Spec:
    """Declared types of all kinds."""
    declared: list[Declared] = [_enum(draw, ERROR, True), _enum(draw, ENUM, False)]
    for place, name in enumerate(OTHERS):
        make = draw(st.sampled_from([_struct, _tuple_struct, _union]))
        declared.append(make(draw, name, types(place)))
    return Spec(tuple(declared))


_members = st.lists(
    st.tuples(names, st.integers(0, 2**32 - 1)),
    min_size=1,
    max_size=4,
    unique_by=(lambda one: one[0], lambda one: one[1]),
)
_unique_names = st.lists(names, max_size=4, unique=True)


def _enum(draw: Draw, name: str, is_error: bool) -> Enum:
    members = tuple(Member(*one) for one in draw(_members))
    return Enum(name, members, draw(docs), is_error)


def _struct(draw: Draw, name: str, inner: st.SearchStrategy[Type]) -> Struct:
    doc = draw(docs)
    return Struct(name, tuple(Field(one, draw(inner), doc) for one in draw(_unique_names)))


def _tuple_struct(draw: Draw, name: str, inner: st.SearchStrategy[Type]) -> Struct:
    kinds = [draw(inner) for _ in range(draw(st.integers(1, 3)))]
    return Struct(name, tuple(Field(str(place), kind) for place, kind in enumerate(kinds)))


def _union(draw: Draw, name: str, inner: st.SearchStrategy[Type]) -> Union:
    counts = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))
    cases = draw(st.lists(names, min_size=len(counts), max_size=len(counts), unique=True))
    kinds = [tuple(draw(inner) for _ in range(count)) for count in counts]
    return Union(name, tuple(map(Case, cases, kinds)))


def draw_value(draw: Draw, kind: Type, spec: Spec) -> Value:
    """A value of a type."""
    match kind:
        case Plain(name):
            return draw(_LEAVES[name])
        case BytesN(size):
            data = draw(st.binary(min_size=size, max_size=size))
            return Value(scval.to_bytes(data), data.hex())
        case Option(value):
            absent = draw(st.booleans())
            return _LEAVES_VOID if absent else draw_value(draw, value, spec)
        case Result(ok, Named(error)):
            return _result(draw, ok, error, spec)
        case Vec(item):
            return _vec([draw_value(draw, item, spec) for _ in range(draw(st.integers(0, 3)))])
        case Tuple(items):
            return _vec([draw_value(draw, item, spec) for item in items])
        case Map(key, value):
            return _map(draw, key, value, spec)
        case Named(name):
            return _declared(draw, spec.types[name], spec)
        case _:
            raise AssertionError(kind)


_LEAVES_VOID = Value(scval.to_void(), None)


def _vec(items: list[Value]) -> Value:
    return Value(scval.to_vec([one.scval for one in items]), [one.plain for one in items])


def _result(draw: Draw, ok: Type, error: str, spec: Spec) -> Value:
    if draw(st.booleans()):
        return draw_value(draw, ok, spec)
    enum = spec.types[error]
    assert isinstance(enum, Enum)
    member = draw(st.sampled_from(enum.members))
    stated = xdr.SCError(xdr.SCErrorType.SCE_CONTRACT, contract_code=xdr.Uint32(member.value))
    return Value(xdr.SCVal(xdr.SCValType.SCV_ERROR, error=stated), {"error": member.name})


def _map(draw: Draw, key: Type, value: Type, spec: Spec) -> Value:
    keys = {str(one.plain): one for one in (draw_value(draw, key, spec) for _ in range(3))}
    pairs = {name: (one.scval, draw_value(draw, value, spec)) for name, one in keys.items()}
    entries = [xdr.SCMapEntry(one, other.scval) for one, other in pairs.values()]
    plain = {name: other.plain for name, (_, other) in pairs.items()}
    return Value(xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries)), plain)


def _declared(draw: Draw, declared: Declared, spec: Spec) -> Value:
    match declared:
        case Enum(members=members):
            member = draw(st.sampled_from(members))
            return Value(scval.to_uint32(member.value), member.name)
        case Struct(fields=fields):
            values = [draw_value(draw, field.type, spec) for field in fields]
            if declared.is_tuple:
                return _vec(values)
            by_name = {one.name: value for one, value in zip(fields, values, strict=True)}
            return struct_value(by_name)
        case Union(cases=cases):
            case_ = draw(st.sampled_from(cases))
            values = [draw_value(draw, one, spec) for one in case_.types]
            plain: Any = case_.name
            if values:
                several = [one.plain for one in values]
                plain = {case_.name: several[0] if len(values) == 1 else several}
            return Value(_vec([Value(scval.to_symbol(case_.name), None), *values]).scval, plain)


def struct_value(by_name: dict[str, Value]) -> Value:
    """A map with the names as keys, in their order."""
    entries = [xdr.SCMapEntry(scval.to_symbol(n), by_name[n].scval) for n in sorted(by_name)]
    plain = {name: value.plain for name, value in by_name.items()}
    return Value(xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries)), plain)


def sep51(value: xdr.SCVal) -> Any:
    """A value as the tables hold it."""
    return read_scval(value.to_xdr_bytes())


known_types = types(len(OTHERS))
_fields = st.lists(st.tuples(names, known_types), max_size=4, unique_by=lambda one: one[0])


def draw_event(draw: Draw, name: str) -> Event:
    """An event with parameters of the types of `specs`."""
    data_format = draw(st.sampled_from(["single_value", "vec", "map"]))
    params = [
        Param(*one, in_topics=(data_format == "single_value" and place > 0) or draw(st.booleans()))
        for place, one in enumerate(draw(_fields))
    ]
    prefix = tuple(draw(st.lists(names, max_size=2)))
    return Event(name, prefix, tuple(params), data_format)


class Emitted(NamedTuple):
    """Topics and data of an event, SEP-51, and its parameters."""

    topics: list[Any]
    value: Any
    plain: dict[str, Any]


def emit(draw: Draw, event: Event, spec: Spec) -> Emitted:
    """Emit an event as its declaration says."""
    values = {one.name: draw_value(draw, one.type, spec) for one in event.params}
    topics = [scval.to_symbol(one) for one in event.prefix]
    topics += [values[one.name].scval for one in event.topics]
    data = _data(event, {one.name: values[one.name] for one in event.data})
    plain = {name: one.plain for name, one in values.items()}
    return Emitted([sep51(one) for one in topics], sep51(data), plain)


def _data(event: Event, values: dict[str, Value]) -> xdr.SCVal:
    if event.data_format == "map":
        return struct_value(values).scval
    if event.data_format == "vec":
        return scval.to_vec([one.scval for one in values.values()])
    return next((one.scval for one in values.values()), scval.to_void())


def draw_function(draw: Draw) -> Function:
    """A function whose arguments and result are of the types of `specs`."""
    inputs = tuple(Field(*one) for one in draw(_fields))
    return Function("call", inputs, draw(known_types))


class Called(NamedTuple):
    """Arguments and result of a call, SEP-51, and what they are by name."""

    arguments: list[Any]
    result: Any
    named: NamedCall


def call(draw: Draw, function: Function, spec: Spec) -> Called:
    """Call a function as its declaration says."""
    values = {one.name: draw_value(draw, one.type, spec) for one in function.inputs}
    result = draw_value(draw, function.output, spec)
    plain = {name: one.plain for name, one in values.items()}
    is_error = isinstance(function.output, Result) and result.scval.error is not None
    outcome = (None, result.plain["error"]) if is_error else (result.plain, None)
    arguments = [sep51(one.scval) for one in values.values()]
    return Called(arguments, sep51(result.scval), NamedCall("call", plain, *outcome))
