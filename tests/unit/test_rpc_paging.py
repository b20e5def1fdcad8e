from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sorobanflow.errors import (
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcProtocolError,
    RpcUnavailableError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rpc.paging import read_events
from sorobanflow.rpc.wire import Event, Malformed
from sorobanflow.toid import MAX_TX, Position, end_of_ledger
from tests.unit.rpc_node import Node, client_of, event


def node_of(*positions: Position, oldest: int = 1, latest: int = 50_000) -> Node:
    node = Node(oldest, latest)
    node.events = [event(position) for position in sorted(positions)]
    return node


def at(ledger: int, tx: int = 1, number: int = 0) -> Position:
    return Position(ledger, tx, 0, number)


def ids(events: list[Event | Malformed]) -> list[str]:
    return [item.id if isinstance(item, Event) else "malformed" for item in events]


def spoil_pages(node: Node, change: Callable[[dict[str, Any]], object]) -> Callable[..., Any]:
    """Let the node answer getEvents with changed pages."""

    def handle(request: httpx.Request) -> httpx.Response:
        reply = node(request).json()
        if "events" in reply.get("result", {}):
            change(reply["result"])
        return httpx.Response(200, json=reply)

    return handle


def test_events_of_a_range_in_one_page() -> None:
    node = node_of(at(2000), at(2001), at(2002), at(2003))
    read = read_events(client_of(node), LedgerRange(2001, 2002))
    assert ids(read.events) == [at(2001).event_id, at(2002).event_id]
    assert (read.oldest_ledger, read.latest_ledger, read.pages) == (1, 50_000, 1)


def test_events_page_of_exactly_the_limit_is_not_the_end() -> None:
    wanted = [at(2000, 1, number) for number in range(4)] + [at(2001)]
    node = node_of(*wanted, at(2002))
    read = read_events(client_of(node), LedgerRange(2000, 2001), limit=2)
    assert ids(read.events) == [position.event_id for position in wanted]
    assert read.pages == 3


def test_events_page_of_exactly_the_limit_at_the_ranges_end_is_proved_by_another() -> None:
    node = node_of(at(2000), at(2001))
    read = read_events(client_of(node), LedgerRange(2000, 2001), limit=2)
    assert (len(read.events), read.pages) == (2, 2)


def test_events_of_25000_empty_ledgers_take_three_windows() -> None:
    node = node_of(at(27_000), at(27_001))
    read = read_events(client_of(node), LedgerRange(2001, 27_000))
    assert ids(read.events) == [at(27_000).event_id]
    assert read.pages == 3


def test_events_of_a_ledger_with_10001_events() -> None:
    wanted = [at(2000, 1, number) for number in range(10_001)]
    read = read_events(client_of(node_of(*wanted, at(2001))), LedgerRange(2000, 2000))
    assert ids(read.events) == [position.event_id for position in wanted]


@pytest.mark.parametrize("cap", [1, 2, 7])
def test_events_under_a_provider_cap(cap: int) -> None:
    wanted = [at(2000 + number // 3, 1 + number % 3) for number in range(7)]
    node = node_of(at(1999), *wanted, at(2003))
    node.silent_cap = cap
    read = read_events(client_of(node), LedgerRange(2000, 2002))
    assert ids(read.events) == [position.event_id for position in wanted]


def test_events_after_the_last_transaction_belong_to_the_ledger() -> None:
    wanted = [Position(2000, 0, 0, 0), at(2000), Position(2000, MAX_TX, 0, 0)]
    read = read_events(client_of(node_of(*wanted)), LedgerRange(2000, 2000), limit=1)
    assert len(read.events) == 3


def test_events_at_the_tip_are_proved_by_the_cursor() -> None:
    read = read_events(client_of(node_of(at(2000), latest=2000)), LedgerRange(1999, 2000))
    assert ids(read.events) == [at(2000).event_id]


def test_events_above_the_tip_wait_for_the_node() -> None:
    for last in (2001, 2100):
        with pytest.raises(NodeBehindError) as caught:
            read_events(client_of(node_of(at(2000), latest=2000)), LedgerRange(1999, last))
        assert caught.value.args == (last, 2000)
    with pytest.raises(NodeBehindError):
        read_events(client_of(node_of(latest=2000)), LedgerRange(2001, 2002))


def test_events_cursor_beyond_the_newest_ledger_proves_nothing() -> None:
    def claim(page: dict[str, Any]) -> None:
        page["cursor"] = end_of_ledger(9000).event_id

    with pytest.raises(NodeBehindError):
        read_events(client_of(spoil_pages(node_of(latest=2000), claim)), LedgerRange(1999, 2001))


def test_events_cursor_that_stays_is_an_error() -> None:
    def stay(page: dict[str, Any]) -> None:
        page["cursor"] = at(2000).event_id

    with pytest.raises(RpcProtocolError, match="the cursor stays"):
        read_events(client_of(spoil_pages(node_of(), stay)), LedgerRange(2000, 2001))


def test_events_cursor_that_is_none_is_an_error() -> None:
    with pytest.raises(RpcProtocolError, match="the cursor is wrong"):
        read_events(
            client_of(spoil_pages(node_of(), lambda page: page.update(cursor="x"))),
            LedgerRange(2000, 2001),
        )


def test_events_without_cursor_go_on_behind_the_last() -> None:
    node = node_of(at(2000), at(2001), at(2002))
    node.silent_cap = 2
    handler = spoil_pages(node, lambda page: page.pop("cursor"))
    read = read_events(client_of(handler), LedgerRange(2000, 2001))
    assert ids(read.events) == [at(2000).event_id, at(2001).event_id]


@pytest.mark.parametrize(("oldest", "asked"), [(999, 0), (1000, 1), (2000, 1)])
def test_events_near_the_retention_edge_are_checked(oldest: int, asked: int) -> None:
    node = node_of(at(2000), oldest=oldest)
    read_events(client_of(node), LedgerRange(2000, 2000))
    assert node.methods().count("getHealth") == asked


def test_events_trimmed_during_the_walk_are_outside_retention() -> None:
    node = node_of(at(2000), at(2001), oldest=1990)

    def trim(page: dict[str, Any]) -> None:
        node.oldest = 2001

    with pytest.raises(LedgerOutsideRetentionError) as caught:
        read_events(client_of(spoil_pages(node, trim)), LedgerRange(2000, 2001))
    assert caught.value.args == (2000, 2001)


def test_events_of_other_types_are_dropped() -> None:
    node = node_of()
    node.events = [event(at(2000)), event(at(2000, 2), type="diagnostic")]
    node.events += [event(at(2000, 3), type="system")]
    read = read_events(client_of(node), LedgerRange(2000, 2000))
    assert ids(read.events) == [at(2000).event_id, at(2000, 3).event_id]


def test_events_malformed_keep_their_place() -> None:
    node = node_of()
    node.events = [event(at(2000)), event(at(2000, 2), txHash="x"), event(at(2001))]
    read = read_events(client_of(node), LedgerRange(2000, 2001))
    assert ids(read.events) == [at(2000).event_id, "malformed", at(2001).event_id]


def test_events_that_contradict_themselves_are_malformed() -> None:
    below, other = event(at(1999)), event(at(2001), ledger=2000)
    handler = spoil_pages(node_of(), lambda page: page.update(events=[below, other]))
    read = read_events(client_of(handler), LedgerRange(2000, 2002))
    assert [item.error for item in read.events if isinstance(item, Malformed)] == [
        "the request starts at ledger 2000",
        "ledger is 2000, the id's is 2001",
    ]


@pytest.mark.parametrize("wrong_id", [at(9999).event_id, at(1).event_id, "x"])
def test_events_malformed_with_a_wrong_id_stay_in_the_range(wrong_id: str) -> None:
    page_of = [event(at(2000)), event(at(2000, 2), id=wrong_id, value=5), event(at(2000, 3))]
    node = node_of(at(2000), at(2001))
    handler = spoil_pages(node, lambda page: page.update(events=page_of))
    read = read_events(client_of(handler), LedgerRange(2000, 2000))
    assert ids(read.events) == [at(2000).event_id, "malformed", at(2000, 3).event_id]


def test_events_malformed_behind_the_range_are_cut() -> None:
    node = node_of(at(2000), at(2000, 2))
    node.events += [event(at(2001)), event(at(2001, 2), value=5), event(at(2002))]
    node.silent_cap = 2
    read = read_events(client_of(node), LedgerRange(2000, 2000))
    assert ids(read.events) == [at(2000).event_id, at(2000, 2).event_id]


def test_events_delivered_twice_are_taken_once() -> None:
    handler = spoil_pages(
        node_of(at(2000), at(2001)), lambda page: page.update(events=page["events"] * 2)
    )
    read = read_events(client_of(handler), LedgerRange(2000, 2001))
    assert ids(read.events) == [at(2000).event_id, at(2001).event_id]


def test_events_read_fails_whole_when_a_page_fails() -> None:
    node = node_of(*(at(2000 + number) for number in range(5)))
    node.before = lambda number: httpx.Response(503) if number == 2 else None
    with pytest.raises(RpcUnavailableError):
        read_events(client_of(node), LedgerRange(2000, 2004), limit=2)
