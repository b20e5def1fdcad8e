"""Events that a filter selects, as the devnet's own filters decide it, and bytes that hold them."""

from base64 import b64encode
from random import Random
from typing import Any

import pytest
from stellar_sdk import StrKey

from sorobanflow.decode.contract_events import read_event
from sorobanflow.decode.event_search import EventSearch
from sorobanflow.devnet.filters import Matcher, make_matchers, read_filters
from sorobanflow.devnet.meta import ContractEvent
from sorobanflow.devnet.params import Params
from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.filters import EventFilter
from tests.ledgers import generated
from tests.unit.test_devnet_filters import CONTRACT, OTHER, TRANSFER, event

RANDOM_FILTERS = 300


def search_of(event_filter: EventFilter) -> tuple[EventSearch, Matcher]:
    """Give ours and the devnet's."""
    wire: Any = event_filter.wire()
    wire = {name: [*map(_as_list, values)] for name, values in wire.items()}
    [matcher] = make_matchers(read_filters(Params({"filters": [wire]})))
    return EventSearch(event_filter), matcher


def _as_list(value: str | tuple[str, ...]) -> str | list[str]:
    return value if isinstance(value, str) else [*value]


def selected(event_filter: EventFilter, events: list[ContractEvent]) -> list[bool]:
    """Tell which events a filter selects, after a check that the devnet selects the same."""
    search, matcher = search_of(event_filter)
    found = [search.selects(read_event(one.xdr, 0)[0]) for one in events]
    assert found == [matcher.matches(one) for one in events]
    held = [search.may_hold(one.xdr) for one in events]
    assert all(is_held for is_held, is_found in zip(held, found, strict=True) if is_found)
    return found


@pytest.mark.parametrize(
    ("topic", "counts"),
    [
        ([TRANSFER], [1]),
        (["*"], [1]),
        ([TRANSFER, "*", "*"], [3]),
        ([TRANSFER, "**"], [1, 2, 3, 4]),
        ([TRANSFER, "*", "**"], [2, 3, 4]),
        (["*", "*", "*", "*", "**"], [4]),
        (["**"], [0, 1, 2, 3, 4]),
        ([TRANSFER, OTHER, "*", OTHER], [4]),
        ([OTHER, "**"], []),
    ],
)
def test_topic_selects_events_with_these_counts(topic: list[str], counts: list[int]) -> None:
    topics = [TRANSFER, OTHER, OTHER, OTHER]
    events = [event(*topics[:n]) for n in range(5)]
    found = selected(EventFilter(topics=(tuple(topic),)), events)
    assert [n for n in range(5) if found[n]] == counts


def test_contract_and_topic_have_both_to_fit() -> None:
    contract, other = StrKey.decode_contract(CONTRACT), bytes(32)
    events = [event(TRANSFER, contract=contract), event(TRANSFER, contract=other), event(TRANSFER)]
    events += [event(OTHER, contract=contract), event(TRANSFER, kind=0, contract=contract)]
    both = EventFilter((CONTRACT,), ((TRANSFER,),))
    assert selected(both, events) == [True, False, False, False, True]
    either = EventFilter(topics=((TRANSFER,), (OTHER,)))
    assert selected(either, events) == [True] * 5
    contracts = EventFilter((CONTRACT, StrKey.encode_contract(other)))
    assert selected(contracts, events) == [True, True, False, True, True]


def _segments(drawn: Random, topics: list[bytes]) -> tuple[str, ...]:
    some = topics[: drawn.randint(0, 4)]
    wanted = [drawn.choice((b64encode(topic).decode(), "*")) for topic in some]
    return (*wanted, *(["**"] if not wanted or drawn.random() < 0.6 else []))


def test_random_filters_select_what_the_devnet_selects() -> None:
    events = [one.event for n in range(1, 9) for one in generated().ledger(n).events]
    drawn, counts = Random(16), set()
    for _ in range(RANDOM_FILTERS):
        samples = [read_event(drawn.choice(events).xdr, 0)[0] for _ in range(4)]
        contracts = [StrKey.encode_contract(one.contract) for one in samples if one.contract]
        event_filter = EventFilter(
            tuple(contracts[: drawn.randint(0, 2)]),
            tuple(_segments(drawn, one.topics) for one in samples[: drawn.randint(0, 3)]),
        )
        counts.add(sum(selected(event_filter, events)))
    assert len(counts) > 40, counts


@pytest.mark.parametrize(
    ("event_filter", "named"),
    [
        (EventFilter(topics=(("AAAAAQAA",),)), "ScVal"),
        (EventFilter(topics=(("AAAA/w==",),)), "ScVal"),
    ],
)
def test_what_the_node_would_refuse_is_refused(event_filter: EventFilter, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        EventSearch(event_filter)
