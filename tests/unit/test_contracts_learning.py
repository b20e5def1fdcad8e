"""Shapes of events that nobody declared: names, parameters and types, whatever the order."""

from itertools import chain, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sorobanflow.contracts.learning import (
    MAX_FIRST,
    MAX_FORMS,
    MAX_SECOND,
    MAX_TOPICS,
    Summary,
    inferred_events,
)
from sorobanflow.contracts.matching import NamedEvent, name_event
from sorobanflow.contracts.seen_types import join, type_of
from sorobanflow.contracts.spec import Event, Param, Spec
from sorobanflow.contracts.types import BytesN, Map, Option, Plain, Vec

G = "GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF"
ADDRESS, I128, SYMBOL = Plain("address"), Plain("i128"), Plain("symbol")


def symbol(name: str) -> Any:
    return {"symbol": name}


def fields(**values: Any) -> Any:
    return {"map": [{"key": symbol(key), "val": value} for key, value in sorted(values.items())]}


def learnt(*rows: tuple[list[Any], Any]) -> Summary:
    summary = Summary()
    for ledger, (topics, value) in enumerate(rows, start=100):
        summary.add(topics, value, ledger)
    return summary


def test_names_come_from_symbols_and_keys_and_types_from_all_rows() -> None:
    swap = [{"string": "SoroswapPair"}, symbol("swap")]
    summary = learnt(
        (swap, fields(to={"address": G}, amount={"i128": "1"}, memo="void")),
        (swap, fields(to={"address": G}, amount={"i128": "2"}, memo={"bytes": "00ff"})),
    )
    [(event, rows, first_ledger)] = inferred_events(summary)
    assert event == Event(
        "SoroswapPair_swap",
        ("SoroswapPair", "swap"),
        (
            Param("amount", I128, in_topics=False),
            Param("memo", Option(BytesN(2)), in_topics=False),
            Param("to", ADDRESS, in_topics=False),
        ),
        "map",
    )
    assert (rows, first_ledger) == (2, 100)
    value = fields(to={"address": G}, amount={"i128": "3"}, memo="void")
    named = NamedEvent("SoroswapPair_swap", {"amount": "3", "memo": None, "to": G})
    assert name_event(swap, value, Spec((event,))) == named


def test_parameters_without_names_are_named_by_their_place() -> None:
    topics = [symbol("trade"), {"address": G}]
    shapes = inferred_events(
        learnt(
            (topics, {"vec": [{"i128": "1"}, {"u32": 2}]}),
            (topics, {"vec": [{"i128": "1"}, symbol("x")]}),
            (topics, {"i128": "1"}),
            ([], "void"),
        )
    )
    assert [(one.event.name, one.event.params) for one in shapes] == [
        ("event", ()),
        ("trade", (Param("topic_1", ADDRESS, True), Param("value", I128, False))),
        (
            "trade",
            (
                Param("topic_1", ADDRESS, True),
                Param("value_0", I128, False),
                Param("value_1", Plain("val"), False),
            ),
        ),
    ]


def test_topics_and_forms_that_vary_too_much_are_parameters() -> None:
    pairs = [[symbol("rate"), symbol(f"asset{n}")] for n in range(MAX_SECOND + 1)]
    [rate] = inferred_events(learnt(*((topics, "void") for topics in pairs)))
    assert (rate.event.name, rate.rows) == ("rate", MAX_SECOND + 1)
    assert rate.event.params == (Param("topic_1", SYMBOL, in_topics=True),)
    lists = [([symbol("batch")], {"vec": [{"u32": 1}] * n}) for n in range(MAX_FORMS + 1)]
    [batch] = inferred_events(learnt(*lists))
    assert batch.event.params == (Param("value", Vec(Plain("u32")), in_topics=False),)
    [noise] = inferred_events(learnt(*(([symbol(f"e{n}")], "void") for n in range(MAX_FIRST + 1))))
    assert (noise.event.prefix, noise.event.params) == ((), (Param("topic_0", SYMBOL, True),))


def test_events_with_too_many_topics_are_left_out() -> None:
    summary = learnt(([symbol("x")] * (MAX_TOPICS + 1), "void"))
    assert (summary.shapes, summary.left_out) == ({}, 1)


def test_an_empty_vec_or_map_says_nothing_of_its_items() -> None:
    empty, full = {"vec": []}, {"vec": [{"u32": 1}, "void"]}
    assert join(type_of(empty), type_of(full)) == Vec(Option(Plain("u32")))
    keyed = {"map": [{"key": {"u32": 1}, "val": {"address": G}}]}
    assert join(type_of({"map": []}), type_of(keyed)) == Map(Plain("u32"), ADDRESS)


_leaves = st.sampled_from(
    [
        *("void", {"u32": 1}, {"i128": "1"}, {"symbol": "a"}, {"bytes": "00"}, {"bytes": "0000"}),
        *({"address": G}, {"address": "M" + G[1:]}, {"vec": []}, {"map": []}, {"string": "s"}),
        *({"vec": [{"u32": 1}]}, {"vec": ["void"]}, fields(a={"u32": 1}), fields(a="void")),
    ]
)
_topics = st.lists(_leaves, max_size=3) | st.integers(0, 999).map(
    # Enough first topics, and second ones after one of them, that there may be too many of both.
    lambda n: (
        [symbol(f"a{n % 60}")] if n % 3 else [symbol("a0"), symbol(f"b{n % 25 if n % 2 else 0}")]
    )
)
_rows = st.lists(st.tuples(_topics, _leaves, st.integers(1, 9)), max_size=300)


@settings(max_examples=30, deadline=None)
@given(_rows, st.randoms(use_true_random=False), st.integers(0, 300))
def test_a_summary_depends_on_neither_order_nor_parts(rows: Any, random: Any, cut: int) -> None:
    whole, first, second = Summary(), Summary(), Summary()
    for row in rows:
        whole.add(*row)
    random.shuffle(rows)
    for place, row in enumerate(rows):
        (first if place < cut else second).add(*row)
    first.merge(second)
    assert first == whole


FORMS = [([symbol("a"), symbol("b")], {"vec": [{"u32": 1}] * n}) for n in range(MAX_FORMS + 1)]
SECONDS = [([symbol("a"), symbol(f"s{n}")], "void") for n in range(MAX_SECOND + 1)]
FIRSTS = [([symbol(f"f{n}")], "void") for n in range(MAX_FIRST + 1)]


@pytest.mark.parametrize("parts", [*permutations([FORMS, SECONDS, FIRSTS], 2)], ids=range(6))
def test_what_varies_too_much_may_be_found_in_any_order(parts: Any) -> None:
    one, other = (Summary(), Summary())
    for summary, rows in ((one, chain(*parts)), (other, chain(*reversed(parts)))):
        for row in rows:
            summary.add(*row, 1)
    assert one == other


@given(_leaves, _leaves, _leaves)
def test_joining_types_is_associative_and_commutative(one: Any, two: Any, three: Any) -> None:
    a, b, c = map(type_of, (one, two, three))
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
