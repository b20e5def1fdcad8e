import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sorobanflow.errors import ConfigurationError, LedgerOutsideRetentionError, RpcUnavailableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.fetch import HashChunk, LedgerChunk
from sorobanflow.sources.rpc.fetch_plan import (
    BatchFetch,
    EventsFetch,
    FetchPlan,
    TransactionPlanner,
)
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.toid import Position
from tests.unit.rpc_node import Node, client_of, event, fill, tx_hash

FILTER = EventFilter(topics=(("*", "**"),))
LEDGERS = LedgerRange(2000, 2003)


def node_of(transactions: int, events: int) -> Node:
    """Ledgers 2000 to 2003, each with so many transactions, the first of them with an event."""
    node = Node(latest=2010)
    fill(node, [(ledger, transactions) for ledger in range(2000, 2006)])
    node.events = [
        event(Position(ledger, order + 1, 0, 0))
        for ledger in range(2000, 2004)
        for order in range(events)
    ]
    return node


def read(node: Node, event_filter: EventFilter | None = FILTER, most: int = 10_000) -> EventsFetch:
    fetch = EventsFetch(LEDGERS, event_filter, most)
    fetch.fetch(client_of(node))
    return fetch


def planner(
    plan: FetchPlan = "auto", filtered: bool = True, workers: int = 2
) -> TransactionPlanner:
    return TransactionPlanner(plan, filtered, workers, batch_calls=50)


def kinds(chunks: list[Any]) -> list[type]:
    return [type(chunk) for chunk in chunks]


def hashes(items: list[Any]) -> list[str]:
    return [item.tx_hash for item in items if isinstance(item, Transaction)]


def test_events_fetch_asks_for_the_filter_and_keeps_what_it_read() -> None:
    node = node_of(1, 1)
    fetch = EventsFetch(LEDGERS, FILTER, 10)
    assert (fetch.events, fetch.ledgers, fetch.rest) == ([], LEDGERS, None)
    assert len(fetch.fetch(client_of(node))) == 4
    posts = node.posts
    assert len(fetch.fetch(client_of(node))) == 4
    assert node.posts == posts
    assert node.calls[0][1]["filters"] == [{"topics": [["*", "**"]]}]
    assert fetch.wanted() == {tx_hash(ledger, 1): ledger for ledger in range(2000, 2004)}


def test_events_fetch_that_is_full_leaves_the_rest() -> None:
    node = node_of(3, 3)
    node.silent_cap = 7
    fetch = read(node, most=5)
    # The page of seven ends behind the first event of ledger 2002.
    assert (fetch.ledgers, fetch.rest) == (LedgerRange(2000, 2001), LedgerRange(2002, 2003))
    assert set(fetch.wanted().values()) == {2000, 2001}
    assert len(fetch.events) == 6
    assert fetch.label == "2000-2003"
    chunks = planner("ledgers").chunks(client_of(node), fetch)
    assert [chunk.label for chunk in chunks] == ["2000-2001"]


def test_events_fetch_batches_of_a_full_range_are_a_partition() -> None:
    node = node_of(3, 3)
    node.silent_cap = 4
    rest: LedgerRange | None = LEDGERS
    found: list[str] = []
    while rest is not None:
        fetch = EventsFetch(rest, None, 1)
        found += [
            item.id for item in fetch.fetch(client_of(node)) if not isinstance(item, Malformed)
        ]
        rest = fetch.rest
    assert found == [row["id"] for row in node.events]


def test_events_fetch_goes_on_where_a_fault_stopped_it() -> None:
    node = node_of(3, 3)
    node.silent_cap = 5
    node.before = lambda number: httpx.Response(503) if number == 3 else None
    fetch, client = EventsFetch(LEDGERS, None, 1000), client_of(node)
    with pytest.raises(RpcUnavailableError):
        fetch.fetch(client)
    assert (fetch.ledgers, fetch.events) == (LEDGERS, [])
    assert len(fetch.fetch(client)) == 12
    assert [params["pagination"].get("cursor") for _, params in node.calls] == [
        None,
        Position(2001, 2, 0, 0).event_id,
        Position(2003, 1, 0, 0).event_id,
    ]


def test_planner_refuses_hashes_without_a_filter() -> None:
    with pytest.raises(ConfigurationError, match="use 'auto' or 'ledgers'"):
        planner("hashes", filtered=False)


def test_planner_unfiltered_takes_whole_ledgers() -> None:
    node = node_of(3, 0)
    chunks = planner(filtered=False).chunks(client_of(node), read(node, None))
    assert kinds(chunks) == [LedgerChunk, LedgerChunk]


@pytest.mark.parametrize(("events", "kind"), [(4, HashChunk), (5, LedgerChunk)])
def test_planner_auto_takes_ledgers_from_half_of_the_transactions_on(
    events: int, kind: type
) -> None:
    node = node_of(10, events)
    assert set(kinds(planner().chunks(client_of(node), read(node)))) == {kind}


def test_planner_auto_measures_once() -> None:
    node, chosen = node_of(10, 1), planner()
    fetch = read(node)
    for _ in range(2):
        chosen.chunks(client_of(node), fetch)
    assert node.methods().count("getTransactions") == 1


@pytest.mark.parametrize(("plan", "kind"), [("ledgers", LedgerChunk), ("hashes", HashChunk)])
def test_planner_does_as_it_is_told(plan: FetchPlan, kind: type) -> None:
    node = node_of(3, 2)
    fetch = read(node)
    posts = node.posts
    assert set(kinds(planner(plan).chunks(client_of(node), fetch))) == {kind}
    assert node.posts == posts


def batch_fetch(
    chosen: TransactionPlanner, on_planned: Callable[[], None] = lambda: None
) -> BatchFetch:
    return BatchFetch(EventsFetch(LEDGERS, FILTER, 10_000), chosen, 0, on_planned)


def test_batch_fetch_fetches_the_first_chunk_and_leaves_the_others() -> None:
    node, known = node_of(40, 40), []
    client, alone = client_of(node), planner("hashes").chunks(client_of(node), read(node))
    fetch = batch_fetch(planner("hashes"), lambda: known.append(len(fetch.events.events)))
    assert (fetch.is_planned, fetch.others, fetch.label) == (False, [], "2000-2003")
    first, *others = [hashes(chunk.fetch(client)) for chunk in alone]
    assert hashes(fetch.fetch(client)) == first
    assert known == [160]  # when it says that it has planned, it has
    assert others
    assert [hashes(chunk.fetch(client)) for chunk in fetch.others] == others


def test_batch_fetch_goes_on_at_the_chunk_after_a_fault() -> None:
    node, planned = node_of(3, 2), []
    fetch = batch_fetch(planner("ledgers"), lambda: planned.append(node.posts))
    node.before = lambda number: httpx.Response(503) if planned else None
    with pytest.raises(RpcUnavailableError):
        fetch.fetch(client_of(node))
    assert fetch.is_planned
    node.before = lambda number: None
    posts = node.posts
    assert len(fetch.fetch(client_of(node))) == 12
    assert [name for name, _ in node.calls[posts:]] == ["getTransactions"]
    assert len(planned) == 1


def test_batch_fetch_without_matching_events_is_over_with_them() -> None:
    fetch = batch_fetch(planner("ledgers"))
    assert fetch.fetch(client_of(node_of(3, 0))) == []
    assert fetch.is_planned


def test_planner_without_matching_events_fetches_nothing() -> None:
    node = node_of(3, 0)
    assert planner("ledgers").chunks(client_of(node), read(node)) == []


@pytest.mark.parametrize("events", [0, 2])
def test_planner_has_the_edge_checked_beside_the_transactions(events: int) -> None:
    node = node_of(3, events)
    node.oldest = 1990
    client, fetch = client_of(node), read(node)
    *others, edge = planner("hashes").chunks(client, fetch)
    assert set(kinds(others)) == ({HashChunk} if events else set())
    node.oldest = 2001
    with pytest.raises(LedgerOutsideRetentionError):
        edge.fetch(client)


def test_planner_needs_no_edge_check_where_a_chunk_starts_with_the_range() -> None:
    node = node_of(3, 2)
    node.oldest = 1990
    client, fetch = client_of(node), read(node)
    assert fetch.near_edge
    first, *others = planner("ledgers").chunks(client, fetch)
    assert set(kinds([first, *others])) == {LedgerChunk}
    node.oldest = 2001
    with pytest.raises(LedgerOutsideRetentionError):
        first.fetch(client)


def test_planner_goes_by_hash_while_it_cannot_measure() -> None:
    node, chosen = node_of(3, 3), planner()
    fetch = read(node)
    node.before = lambda number: httpx.Response(503)
    assert set(kinds(chosen.chunks(client_of(node), fetch))) == {HashChunk}
    node.before = lambda number: None
    assert set(kinds(chosen.chunks(client_of(node), fetch))) == {LedgerChunk}


def test_planner_measure_outside_retention_is_raised() -> None:
    node = node_of(3, 3)
    fetch = read(node)
    node.oldest = 2005
    error = {"code": -32600, "message": "ledger range: 2005 - 2010"}

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": json.loads(request.content)["id"], "error": error})

    with pytest.raises(LedgerOutsideRetentionError):
        planner().chunks(client_of(refuse), fetch)


def test_planner_ledgers_are_filtered_to_the_wanted() -> None:
    node, chosen = node_of(3, 1), planner("ledgers")
    fetch, client = read(node), client_of(node)
    found = [item for chunk in chosen.chunks(client, fetch) for item in chunk.fetch(client)]
    bad = Malformed("{}", "bad")
    wanted = chosen.only_wanted(fetch, [*found, bad])
    assert len(found) == 12
    assert hashes(wanted) == [tx_hash(ledger, 1) for ledger in range(2000, 2004)]
    assert wanted[-1] is bad
    assert planner(filtered=False).only_wanted(fetch, found) == found


def test_planner_leaves_workers_to_the_batches_beside() -> None:
    node, chosen = node_of(300, 300), TransactionPlanner("auto", False, 10, 50)
    fetch, client = read(node, None), client_of(node)
    assert [len(chosen.chunks(client, fetch, beside)) for beside in (0, 1, 4, 20)] == [7, 5, 2, 1]


def test_planner_expects_what_ledgers_held_where_events_name_less() -> None:
    node, chosen = node_of(300, 1), planner(filtered=False, workers=10)
    fetch, client = read(node, None), client_of(node)
    assert len(chosen.chunks(client, fetch)) == 1
    chosen.learn(LedgerRange(1, 4), 1200)
    chunks = chosen.chunks(client, fetch)
    posts = node.posts
    assert len(chunks) == 7
    assert len([item for chunk in chunks for item in chunk.fetch(client)]) == 1200
    assert node.posts == posts + 7


def test_planner_by_hash_asks_for_as_many_as_the_node_answers_quickly() -> None:
    node, chosen = node_of(3, 3), planner("hashes")
    fetch, client = read(node), client_of(node)
    client.sizes["getTransaction"].fail(4)
    posts = node.posts
    assert [len(chunk.fetch(client)) for chunk in chosen.chunks(client, fetch)] == [6, 6]
    assert node.posts == posts + 6


def test_planner_asks_by_hash_for_what_no_chunk_brought() -> None:
    node, chosen = node_of(2, 2), planner("ledgers")
    fetch, client = read(node), client_of(node)
    found = [item for chunk in chosen.chunks(client, fetch) for item in chunk.fetch(client)]
    assert chosen.chunks_of_missing(client, fetch, found) == []
    (chunk,) = chosen.chunks_of_missing(client, fetch, found[1:])
    assert hashes(chunk.fetch(client)) == [tx_hash(2000, 1)]


@pytest.mark.parametrize(
    ("payload", "asked"),
    [
        (json.dumps({"txHash": tx_hash(2000, 1), "ledger": []}), False),
        (json.dumps({"txHash": tx_hash(2000, 1).upper()}), False),
        (json.dumps({"txHash": tx_hash(7, 7)}), True),
        (json.dumps({"txHash": 5}), True),
        ("not JSON", True),
        ("[]", True),
        ("[" * 100_000, True),
    ],
)
def test_planner_does_not_ask_again_for_what_came_malformed(payload: str, asked: bool) -> None:
    node, chosen = node_of(2, 2), planner("ledgers")
    fetch, client = read(node), client_of(node)
    found = [item for chunk in chosen.chunks(client, fetch) for item in chunk.fetch(client)]
    chunks = chosen.chunks_of_missing(client, fetch, [Malformed(payload, "bad"), *found[1:]])
    assert bool(chunks) is asked
