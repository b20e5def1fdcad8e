"""Events and calls by name: of asset contracts, of specs that share topics, and what fits none."""

from typing import Any

import pytest

from sorobanflow.contracts.asset_spec import ASSET_SPEC
from sorobanflow.contracts.matching import NamedCall, NamedEvent, Unnamed, name_call, name_event
from sorobanflow.contracts.names import MAX_LENGTH, safe_name
from sorobanflow.contracts.spec import Event, Function, Param, Spec
from sorobanflow.contracts.types import (
    ANY_ERROR,
    VAL,
    VOID,
    BytesN,
    Enum,
    Map,
    Member,
    Named,
    Option,
    Plain,
    Result,
    Tuple,
)
from sorobanflow.contracts.values import Mismatch, decode_value

A = "GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF"
B = "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD2KM"
POOL = "LAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJZT"
ASSET = "USD:" + A
U32 = Plain("u32")


def topics(name: str, *values: Any) -> list[Any]:
    return [{"symbol": name}, *values]


def address(text: str) -> Any:
    return {"address": text}


def amount(number: int) -> Any:
    return {"i128": str(number)}


def fields(**values: Any) -> Any:
    return {"map": [{"key": {"symbol": key}, "val": values[key]} for key in sorted(values)]}


@pytest.mark.parametrize("asset", [{}, {"sep0011_asset": ASSET}])
@pytest.mark.parametrize(
    ("stated", "value", "name", "params"),
    [
        ([A, B], amount(5), "transfer", {"from": A, "to": B, "amount": "5"}),
        ([A, POOL], amount(5), "transfer", {"from": A, "to": POOL, "amount": "5"}),
        (
            [A, B],
            fields(amount=amount(5), to_muxed_id={"u64": "7"}),
            "transfer",
            {"from": A, "to": B, "amount": "5", "to_muxed_id": "7"},
        ),
        (
            [A, B],
            fields(amount=amount(5), to_muxed_id={"string": "memo"}),
            "transfer",
            {"from": A, "to": B, "amount": "5", "to_muxed_id": "memo"},
        ),
        ([B], amount(5), "mint", {"to": B, "amount": "5"}),
        ([A, B], amount(5), "mint", {"admin": A, "to": B, "amount": "5"}),
        ([A], amount(5), "burn", {"from": A, "amount": "5"}),
        ([A, B], amount(5), "clawback", {"admin": A, "from": B, "amount": "5"}),
        (
            [A, B],
            {"vec": [amount(5), {"u32": 9}]},
            "approve",
            {"from": A, "spender": B, "amount": "5", "live_until_ledger": 9},
        ),
        ([A], {"bool": True}, "set_authorized", {"id": A, "authorize": True}),
        ([A], address(B), "set_admin", {"admin": A, "new_admin": B}),
        ([A], amount(-5), "fee", {"from": A, "amount": "-5"}),
    ],
)
def test_events_of_asset_contracts_are_named(
    stated: list[str], value: Any, name: str, params: dict[str, Any], asset: dict[str, str]
) -> None:
    in_topics = [*map(address, stated), *({"string": one} for one in asset.values())]
    named = name_event(topics(name, *in_topics), value, ASSET_SPEC)
    assert named == NamedEvent(name, {**params, **asset})


@pytest.mark.parametrize(
    ("stated", "value", "kind"),
    [
        ([], amount(5), "undeclared"),
        (topics("swap", address(A)), amount(5), "undeclared"),
        (topics("transfer", address(A)), amount(5), "other shape"),
        (topics("transfer", address(A), {"symbol": "x"}), amount(5), "other shape"),
        (topics("transfer", address(A), address(B)), {"u64": "5"}, "other shape"),
        (topics("transfer", address(A), address(B)), fields(amount=amount(5)), "other shape"),
        (
            topics("transfer", address(A), address(B)),
            fields(amount=amount(5), to_muxed_id={"u64": "1"}, more="void"),
            "other shape",
        ),
        (topics("approve", address(A), address(B)), {"vec": [amount(5)]}, "other shape"),
        (topics("approve", address(A), address(B)), {"vec": None}, "other shape"),
    ],
)
def test_what_is_almost_an_event_has_no_name(stated: list[Any], value: Any, kind: str) -> None:
    named = name_event(stated, value, ASSET_SPEC)
    assert isinstance(named, Unnamed)
    assert named.kind == kind


def event(name: str, kind: Any, prefix: tuple[str, ...] = ("e",)) -> Event:
    return Event(name, prefix, (Param("x", kind, in_topics=False),), "single_value")


def test_an_event_that_matches_two_declarations_has_no_name() -> None:
    spec = Spec((event("One", U32), event("Two", VAL), event("Three", Plain("i32"))))
    assert name_event(topics("e"), {"i32": 1}, spec) != NamedEvent("Three", {"x": 1})
    ambiguous = name_event(topics("e"), {"u32": 1}, spec)
    assert isinstance(ambiguous, Unnamed)
    assert (ambiguous.kind, "One, Two" in ambiguous.reason) == ("ambiguous", True)
    spec = Spec((event("One", U32), event("One", Option(U32))))
    assert name_event(topics("e"), {"u32": 1}, spec) == NamedEvent("One", {"x": 1})


def test_prefix_topics_may_be_strings_and_may_be_absent() -> None:
    spec = Spec((event("Swap", U32, ("Pair", "swap")),))
    stated = [{"string": "Pair"}, {"symbol": "swap"}]
    assert name_event(stated, {"u32": 1}, spec) == NamedEvent("Swap", {"x": 1})
    assert isinstance(name_event(stated[:1], {"u32": 1}, spec), Unnamed)
    other_name = [stated[0], {"symbol": "sync"}]
    assert isinstance(name_event(other_name, {"u32": 1}, spec), Unnamed)
    bare = Spec((event("Bare", U32, ()),))
    assert name_event([], {"u32": 1}, bare) == NamedEvent("Bare", {"x": 1})


def test_an_event_without_data_has_void() -> None:
    spec = Spec((Event("E", ("e",), (), "single_value"),))
    assert name_event(topics("e"), "void", spec) == NamedEvent("E", {})
    assert isinstance(name_event(topics("e"), {"u32": 1}, spec), Unnamed)


@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        (BytesN(2), {"bytes": "00ff"}, "00ff"),
        (BytesN(2), {"bytes": "00"}, None),
        (BytesN(2), {"bytes": "00ff00"}, None),
        (Tuple((U32, U32)), {"vec": [{"u32": 1}]}, None),
        (U32, {"i32": 1}, None),
        (Plain("address"), {"string": A}, None),
        (Map(U32, U32), {"map": [{"key": {"u32": 1}, "val": {"u32": 2}}]}, {"1": 2}),
        (Map(VAL, U32), {"map": [{"key": {"u32": 1}, "val": {"u32": 2}}]}, [[{"u32": 1}, 2]]),
    ],
)
def test_a_value_is_of_its_type_or_a_mismatch(kind: Any, value: Any, plain: Any) -> None:
    decoded = decode_value(value, kind, Spec())
    assert isinstance(decoded, Mismatch) if plain is None else decoded == plain


def test_what_check_auth_is_given_has_types_of_the_sdk_unless_declared() -> None:
    called = fields(contract=address(B), fn_name={"symbol": "pay"}, args={"vec": [amount(5)]})
    context = {"vec": [{"symbol": "Contract"}, called]}
    plain = {"Contract": {"contract": B, "fn_name": "pay", "args": [amount(5)]}}
    assert decode_value(context, Named("Context"), Spec()) == plain
    ours = Spec((Enum("Context", (Member("Pay", 1),)),))
    assert decode_value({"u32": 1}, Named("Context"), ours) == "Pay"
    assert isinstance(decode_value(context, Named("Context"), ours), Mismatch)


def test_two_parameters_of_one_name_are_no_names() -> None:
    twice = (Param("x", U32, in_topics=True), Param("x", U32, in_topics=False))
    spec = Spec((Event("E", (), twice, "single_value"),))
    assert isinstance(name_event([{"u32": 1}], {"u32": 2}, spec), Unnamed)


ERRORS = Enum("E", (Member("TooMuch", 1), Member("Both", 2)), is_error=True)
OTHERS = Enum("F", (Member("Else", 2), Member("Alone", 3)), is_error=True)
CALLS = Spec((Function("f", (), Result(VOID, ANY_ERROR)), Function("g", (), U32), ERRORS, OTHERS))


def contract_error(code: int) -> Any:
    return {"error": {"contract": code}}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("void", (None, None)),
        (None, (None, None)),
        (contract_error(1), (None, "TooMuch")),
        (contract_error(2), (None, {"contract": 2})),
        (contract_error(3), (None, "Alone")),
        (contract_error(4), (None, {"contract": 4})),
        ({"error": {"budget": "exceeded_limit"}}, (None, {"budget": "exceeded_limit"})),
    ],
)
def test_an_error_has_the_name_that_all_enums_agree_on(result: Any, expected: Any) -> None:
    assert name_call("f", [], result, CALLS) == NamedCall("f", {}, *expected)


def test_calls_that_do_not_fit_are_told_apart() -> None:
    transfer = [address(A), address("M" + A[1:]), amount(5)]
    named = name_call("transfer", transfer, "void", ASSET_SPEC)
    assert isinstance(named, NamedCall)
    assert named.arguments == {"from": A, "to": "M" + A[1:], "amount": "5"}
    kinds = [
        name_call("transfer", transfer[:2], "void", ASSET_SPEC),
        name_call("transfer", transfer, {"u32": 1}, ASSET_SPEC),
        name_call("swap", [], "void", ASSET_SPEC),
        name_call("g", [], contract_error(1), CALLS),
    ]
    assert [one[0] for one in kinds] == [
        *("other arguments", "other result", "undeclared", "other result"),
    ]


@pytest.mark.parametrize(
    "value", [None, 1, [], {}, {"map": [1]}, {"vec": 3}, {"map": [{"key": 1}]}]
)
@pytest.mark.parametrize("kind", [U32, Option(U32), Map(U32, U32), VOID, ANY_ERROR])
def test_what_is_no_sep51_value_is_a_mismatch(value: Any, kind: Any) -> None:
    assert isinstance(decode_value(value, kind, Spec()), Mismatch)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("AmountIn", "amount_in"),
        ("HTTPServer2", "http_server2"),
        ("from", "from_"),
        ("2nd", "_2nd"),
        (r"\x1b[A", "x1b_a"),
        ('a"; DROP TABLE x', "a_drop_table_x"),
        ("", "unnamed"),
        ("é", "unnamed"),
        ("to", "to_"),
        ("x" * 70, "x" * MAX_LENGTH),
        ("taken", "taken_2"),
    ],
)
def test_names_are_safe(name: str, safe: str) -> None:
    assert safe_name(name, taken={"taken"}) == safe


def test_long_names_that_are_taken_stay_within_the_limit() -> None:
    long = "x" * MAX_LENGTH
    assert safe_name(long, taken={long}) == "x" * (MAX_LENGTH - 2) + "_2"
