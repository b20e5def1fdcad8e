import json
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
from sorobanflow.sources.items import Event, Malformed
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.edge_check import EdgeCheck
from sorobanflow.sources.rpc.events_walk import EventsRead, EventsWalk
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


def read_events(client: RpcClient, ledgers: LedgerRange, limit: int = 10_000) -> EventsRead:
    return EventsWalk(ledgers, limit=limit).read(client)


def spoil_pages(node: Node, change: Callable[[dict[str, Any]], object]) -> Callable[..., Any]:
    """Let the node answer getEvents with changed pages."""

    def handle(request: httpx.Request) -> httpx.Response:
        reply = node(request).json()
        if "events" in reply.get("result", {}):
            change(reply["result"])
        return httpx.Response(200, content=json.dumps(reply))

    return handle


def test_events_of_a_range_in_one_page() -> None:
    node = node_of(at(2000), at(2001), at(2002), at(2003))
    read = read_events(client_of(node), LedgerRange(2001, 2002))
    assert ids(read.events) == [at(2001).event_id, at(2002).event_id]
    assert len(node.calls) == 1


def test_events_page_of_exactly_the_limit_is_not_the_end() -> None:
    wanted = [at(2000, 1, number) for number in range(4)] + [at(2001)]
    node = node_of(*wanted, at(2002))
    read = read_events(client_of(node), LedgerRange(2000, 2001), limit=2)
    assert ids(read.events) == [position.event_id for position in wanted]
    assert len(node.calls) == 3


def test_events_page_of_exactly_the_limit_at_the_ranges_end_is_proved_by_another() -> None:
    node = node_of(at(2000), at(2001))
    read = read_events(client_of(node), LedgerRange(2000, 2001), limit=2)
    assert (len(read.events), len(node.calls)) == (2, 2)


def test_events_of_25000_empty_ledgers_take_three_windows() -> None:
    node = node_of(at(27_000), at(27_001))
    read = read_events(client_of(node), LedgerRange(2001, 27_000))
    assert ids(read.events) == [at(27_000).event_id]
    assert len(node.calls) == 3


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

    with pytest.raises(RpcProtocolError, match="the pages stay"):
        read_events(client_of(spoil_pages(node_of(), stay)), LedgerRange(2000, 2001))


def test_events_cursor_that_is_none_is_an_error() -> None:
    with pytest.raises(RpcProtocolError, match="the cursor is wrong"):
        read_events(
            client_of(spoil_pages(node_of(), lambda page: page.update(cursor="x"))),
            LedgerRange(2000, 2001),
        )


def test_events_without_cursor_go_on_after_the_last() -> None:
    node = node_of(at(2000), at(2001), at(2002))
    node.silent_cap = 2
    handler = spoil_pages(node, lambda page: page.pop("cursor"))
    read = read_events(client_of(handler), LedgerRange(2000, 2001))
    assert ids(read.events) == [at(2000).event_id, at(2001).event_id]


@pytest.mark.parametrize(("oldest", "asked"), [(999, 0), (1000, 1), (2000, 1)])
def test_events_near_the_retention_edge_are_to_be_checked(oldest: int, asked: int) -> None:
    node = node_of(at(2000), oldest=oldest)
    assert read_events(client_of(node), LedgerRange(2000, 2000)).near_edge is bool(asked)
    assert node.methods() == ["getEvents"]


def test_edge_check_finds_what_was_trimmed_during_the_walk() -> None:
    ledgers = LedgerRange(2000, 2001)
    node = node_of(at(2000), at(2001), oldest=1990)
    client = client_of(spoil_pages(node, lambda page: setattr(node, "oldest", 2001)))
    before, after = EdgeCheck(ledgers), EdgeCheck(ledgers)
    assert before.label == "edge of 2000-2001"
    assert before.fetch(client) == []
    assert read_events(client, ledgers).near_edge
    assert before.fetch(client) == []  # asked once
    assert node.methods() == ["getHealth", "getEvents"]
    with pytest.raises(LedgerOutsideRetentionError) as caught:
        after.fetch(client)
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


def test_events_malformed_after_the_range_are_cut() -> None:
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


def test_events_read_goes_on_after_the_last_page_when_one_fails() -> None:
    node = node_of(*(at(2000 + number) for number in range(5)))
    node.before = lambda number: httpx.Response(503) if number == 2 else None
    walk, client = EventsWalk(LedgerRange(2000, 2004), limit=2), client_of(node)
    with pytest.raises(RpcUnavailableError):
        walk.read(client)
    assert ids(walk.read(client).events) == [at(2000 + number).event_id for number in range(5)]
    asked = [
        params.get("startLedger", params["pagination"].get("cursor")) for _, params in node.calls
    ]
    assert asked == [2000, at(2001).event_id, at(2003).event_id]


def test_events_first_page_that_fails_is_asked_for_from_the_ledger_again() -> None:
    node = node_of(at(2000), oldest=2000)
    node.before = lambda number: httpx.Response(503) if number == 1 else None
    walk, client = EventsWalk(LedgerRange(2000, 2000)), client_of(node)
    with pytest.raises(RpcUnavailableError):
        walk.read(client)
    assert ids(walk.read(client).events) == [at(2000).event_id]
    assert node.calls[0][1]["startLedger"] == 2000


def test_events_first_page_of_a_node_that_is_behind_is_asked_for_from_the_ledger_again() -> None:
    node = node_of(at(2000), oldest=2000)

    def behind(page: dict[str, Any]) -> None:
        if node.posts == 1:
            page.update(events=[], latestLedger=1990, cursor=end_of_ledger(1990).event_id)

    walk, client = EventsWalk(LedgerRange(2000, 2000)), client_of(spoil_pages(node, behind))
    with pytest.raises(NodeBehindError):
        walk.read(client)
    assert ids(walk.read(client).events) == [at(2000).event_id]


def test_events_read_goes_on_at_the_tip_when_the_node_was_behind() -> None:
    node = node_of(at(2000), at(2001), at(2002), latest=2001)
    walk, client = EventsWalk(LedgerRange(2000, 2002)), client_of(node)
    with pytest.raises(NodeBehindError):
        walk.read(client)
    node.latest = 2002
    assert len(walk.read(client).events) == 3
    assert node.calls[-1][1]["pagination"]["cursor"] == end_of_ledger(2001).event_id


def test_events_of_an_unknown_type_are_kept() -> None:
    node = node_of()
    node.events = [event(at(2000), type="novel"), event(at(2000, 2), type="")]
    read = read_events(client_of(node), LedgerRange(2000, 2000))
    assert ids(read.events) == [at(2000).event_id, at(2000, 2).event_id]


def test_events_diagnostic_delivered_again_are_dropped_again() -> None:
    diagnostic = event(at(2000), type="diagnostic")
    node = node_of(at(2001), at(2002))
    node.silent_cap = 1
    handler = spoil_pages(node, lambda page: page["events"].insert(0, diagnostic))
    read = read_events(client_of(handler), LedgerRange(2000, 2001))
    assert ids(read.events) == [at(2001).event_id]


def moved(position: Position, stated: Position) -> dict[str, Any]:
    """An event of one place that states another, without contradicting itself."""
    return event(stated, txHash=event(position)["txHash"])


def test_events_with_an_id_above_the_cursor_prove_nothing() -> None:
    node = node_of(at(2000), at(2001), at(2002), at(2003))
    node.silent_cap = 2

    def spoil(page: dict[str, Any]) -> None:
        if page["events"][-1]["id"] == at(2001).event_id:
            page["events"][-1] = moved(at(2001), at(2500))

    read = read_events(client_of(spoil_pages(node, spoil)), LedgerRange(2000, 2002))
    assert ids(read.events) == [at(2000).event_id, "malformed", at(2002).event_id]


def test_events_with_an_id_out_of_order_are_malformed_and_keep_their_place() -> None:
    node = node_of(at(2003))
    page_of = [event(at(2000)), moved(at(2000, 2), at(2001, 9)), event(at(2001))]
    handler = spoil_pages(node, lambda page: page.update(events=page_of))
    read = read_events(client_of(handler), LedgerRange(2000, 2001))
    assert ids(read.events) == [at(2000).event_id, "malformed", at(2001).event_id]


def test_events_with_an_id_of_an_earlier_page_are_malformed() -> None:
    node = node_of(at(2000), at(2001), at(2002), at(2003))
    node.silent_cap = 2

    def spoil(page: dict[str, Any]) -> None:
        if page["events"] and page["events"][0]["id"] == at(2002).event_id:
            page["events"][0] = moved(at(2002), at(2000, 7))

    read = read_events(client_of(spoil_pages(node, spoil)), LedgerRange(2000, 2003))
    assert ids(read.events) == [
        at(2000).event_id,
        at(2001).event_id,
        "malformed",
        at(2003).event_id,
    ]


def test_events_malformed_by_their_place_hold_what_was_sent() -> None:
    sent = moved(at(2000), at(9000))
    node = node_of(latest=3000)
    handler = spoil_pages(node, lambda page: page.update(events=[sent]))
    (found,) = read_events(client_of(handler), LedgerRange(2000, 2000)).events
    assert isinstance(found, Malformed)
    assert json.loads(found.payload)["id"] == at(9000).event_id
    assert "its place (9000, 1, 0, 0) is not where it stands" in found.error


def full(node: Node, ledgers: LedgerRange, max_events: int, limit: int) -> EventsRead:
    return EventsWalk(ledgers, limit=limit, max_events=max_events).read(client_of(node))


def test_events_walk_that_is_full_ends_with_the_last_whole_ledger() -> None:
    wanted = [at(2000 + number // 3, 1, number % 3) for number in range(12)]
    node = node_of(*wanted)
    read = full(node, LedgerRange(2000, 2003), max_events=4, limit=5)
    # The page ends within ledger 2001, and the next one within 2003.
    assert read.ledgers == LedgerRange(2000, 2000)
    assert ids(read.events) == [position.event_id for position in wanted[:3]]
    assert len(node.calls) == 1


def test_events_walk_is_full_only_above_the_bound() -> None:
    wanted = [at(2000 + number) for number in range(6)]
    node = node_of(*wanted)
    read = full(node, LedgerRange(2000, 2005), max_events=4, limit=4)
    assert read.ledgers == LedgerRange(2000, 2005)
    assert (len(read.events), len(node.calls)) == (6, 2)


def test_events_walk_never_splits_a_ledger() -> None:
    wanted = [at(2000, 1, number) for number in range(7)] + [at(2001), at(2002)]
    node = node_of(*wanted)
    read = full(node, LedgerRange(2000, 2002), max_events=1, limit=2)
    assert read.ledgers == LedgerRange(2000, 2000)
    assert (len(read.events), len(node.calls)) == (7, 4)


def test_events_walk_that_ends_in_one_page_is_whole_whatever_it_holds() -> None:
    read = full(node_of(at(2000), at(2001)), LedgerRange(2000, 2001), max_events=1, limit=100)
    assert read.ledgers == LedgerRange(2000, 2001)


def test_events_page_without_its_events_is_no_empty_page() -> None:
    node = node_of(at(2000))
    client = client_of(spoil_pages(node, lambda page: page.pop("events")))
    with pytest.raises(RpcProtocolError, match="missing required field `events`"):
        read_events(client, LedgerRange(2000, 2000))


def test_event_that_stood_elsewhere_first_and_then_at_its_place_comes_once() -> None:
    node = node_of(at(2000), at(2001), at(2002), at(2003))
    pages: list[int] = []

    def stray(page: dict[str, Any]) -> None:
        if not pages:
            page["events"].insert(0, node.events[2])
        pages.append(1)

    client = client_of(spoil_pages(node, stray))
    read = read_events(client, LedgerRange(2000, 2003), limit=2)
    assert ids(read.events) == [at(ledger).event_id for ledger in range(2000, 2004)]
