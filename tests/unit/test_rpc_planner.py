import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from sorobanflow.errors import ConfigurationError, LedgerOutsideRetentionError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Transaction
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.events_walk import EventsRead, EventsWalk
from sorobanflow.sources.rpc.hash_chunk import HashChunk
from sorobanflow.sources.rpc.ledger_chunk import LedgerChunk
from sorobanflow.sources.rpc.planner import (
    FetchPlan,
    TransactionChunk,
    TransactionPlanner,
    cut_hashes,
    cut_ledgers,
)
from sorobanflow.toid import MAX_TX
from tests.unit.rpc_node import Node, client_of, fill, node_of, tx_hash

FILTER = EventFilter(topics=(("*", "**"),))
LEDGERS = LedgerRange(2000, 2003)

Places = list[tuple[int, int]]


def read(node: Node, event_filter: EventFilter | None = FILTER) -> EventsRead:
    return EventsWalk(LEDGERS, event_filter).read(client_of(node))


def planner(
    plan: FetchPlan = "auto", filtered: bool = True, workers: int = 2
) -> TransactionPlanner:
    return TransactionPlanner(plan, filtered, workers, batch_calls=2)


def chunks_with(
    chosen: TransactionPlanner, client: RpcClient, read: EventsRead, others: int = 0
) -> Sequence[TransactionChunk]:
    return chosen.chunks(client, read, others)


def chunks_of(
    chosen: TransactionPlanner,
    node: Callable[[httpx.Request], httpx.Response],
    read: EventsRead,
) -> list[TransactionChunk]:
    return chunks_with(chosen, client_of(node), read)


def kinds(chunks: list[Any]) -> list[type]:
    return [type(chunk) for chunk in chunks]


def test_planner_refuses_hashes_without_a_filter() -> None:
    with pytest.raises(ConfigurationError, match="use 'auto' or 'ledgers'"):
        planner("hashes", filtered=False)


def test_planner_unfiltered_takes_whole_ledgers() -> None:
    node = node_of(3, 0)
    chunks = chunks_of(planner(filtered=False), node, read(node, None))
    assert kinds(chunks) == [LedgerChunk]


@pytest.mark.parametrize(("events", "kind"), [(4, HashChunk), (5, LedgerChunk)])
def test_planner_auto_takes_ledgers_from_half_of_the_transactions_on(
    events: int, kind: type
) -> None:
    node = node_of(10, events)
    assert set(kinds(chunks_of(planner(), node, read(node)))) == {kind}


def test_planner_auto_measures_once() -> None:
    node, chosen = node_of(10, 1), planner()
    fetch = read(node)
    for _ in range(2):
        chunks_of(chosen, node, fetch)
    assert node.methods().count("getTransactions") == 1


def test_planner_auto_measures_nothing_for_what_one_post_brings() -> None:
    node, chosen = node_of(10, 1), TransactionPlanner("auto", True, 2, batch_calls=4)
    assert set(kinds(chunks_of(chosen, node, read(node)))) == {HashChunk}
    assert "getTransactions" not in node.methods()


def test_planner_auto_unlearns_what_a_quiet_ledger_made_it_believe() -> None:
    node, chosen = node_of(10, 1), planner()
    fetch, client = read(node), client_of(node)
    node.transactions, busy = [], node.transactions
    assert set(kinds(list(chunks_with(chosen, client, fetch)))) == {LedgerChunk}
    node.transactions = busy
    chosen.learn(LEDGERS, 40, 4)
    assert set(kinds(list(chunks_with(chosen, client, fetch)))) == {HashChunk}


@pytest.mark.parametrize(("plan", "kind"), [("ledgers", LedgerChunk), ("hashes", HashChunk)])
def test_planner_does_as_it_is_told(plan: FetchPlan, kind: type) -> None:
    node = node_of(3, 2)
    fetch = read(node)
    posts = node.posts
    assert set(kinds(chunks_of(planner(plan), node, fetch))) == {kind}
    assert node.posts == posts


def test_planner_without_matching_events_fetches_nothing() -> None:
    node = node_of(3, 0)
    assert chunks_of(planner("ledgers"), node, read(node)) == []


@pytest.mark.parametrize("events", [0, 2])
def test_planner_has_the_edge_checked_beside_the_transactions(events: int) -> None:
    node = node_of(3, events)
    node.oldest = 1990
    client, fetch = client_of(node), read(node)
    *others, edge = chunks_with(planner("hashes"), client, fetch)
    assert set(kinds(others)) == ({HashChunk} if events else set())
    node.oldest = 2001
    with pytest.raises(LedgerOutsideRetentionError):
        edge.fetch(client)


def test_planner_needs_no_edge_check_where_a_chunk_starts_with_the_range() -> None:
    node = node_of(3, 2)
    node.oldest = 1990
    client, fetch = client_of(node), read(node)
    assert fetch.near_edge
    first, *others = chunks_with(planner("ledgers"), client, fetch)
    assert set(kinds([first, *others])) == {LedgerChunk}
    node.oldest = 2001
    with pytest.raises(LedgerOutsideRetentionError):
        first.fetch(client)


def test_planner_goes_by_hash_while_it_cannot_measure() -> None:
    node, chosen = node_of(3, 3), planner()
    fetch = read(node)
    node.before = lambda number: httpx.Response(503)
    assert set(kinds(chunks_of(chosen, node, fetch))) == {HashChunk}
    node.before = lambda number: None
    assert set(kinds(chunks_of(chosen, node, fetch))) == {LedgerChunk}


def test_planner_measure_outside_retention_is_raised() -> None:
    node = node_of(3, 3)
    fetch = read(node)
    node.oldest = 2005
    error = {"code": -32600, "message": "ledger range: 2005 - 2010"}

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": json.loads(request.content)["id"], "error": error})

    with pytest.raises(LedgerOutsideRetentionError):
        chunks_of(planner(), refuse, fetch)


def test_planner_leaves_workers_to_the_other_batches() -> None:
    node, chosen = node_of(300, 300), TransactionPlanner("auto", False, 10, 50)
    fetch, client = read(node, None), client_of(node)
    assert [len(chunks_with(chosen, client, fetch, others)) for others in (0, 1, 4, 20)] == [
        7,
        5,
        2,
        1,
    ]


def test_planner_expects_what_ledgers_held_where_events_name_less() -> None:
    node, chosen = node_of(300, 1), planner(filtered=False, workers=10)
    fetch, client = read(node, None), client_of(node)
    assert len(chunks_with(chosen, client, fetch)) == 1
    chosen.learn(LedgerRange(1, 4), 1200, 4)
    chunks = chunks_with(chosen, client, fetch)
    posts = node.posts
    assert len(chunks) == 7
    assert len([item for chunk in chunks for item in chunk.fetch(client)]) == 1200
    assert node.posts == posts + 7


def test_planner_by_hash_asks_for_as_many_as_the_node_answers_quickly() -> None:
    node, chosen = node_of(3, 3), planner("hashes")
    fetch, client = read(node), client_of(node)
    client.sizes["getTransaction"].fail(4)
    posts = node.posts
    assert [len(chunk.fetch(client)) for chunk in chunks_with(chosen, client, fetch)] == [6, 6]
    assert node.posts == posts + 6


def ledgers_of(*counts: tuple[int, int]) -> Node:
    node = Node()
    fill(node, counts)
    return node


def orders(ledger: int, count: int) -> Places:
    return [(ledger, order) for order in range(1, count + 1)]


def hashes(*positions: tuple[int, int]) -> list[tuple[str, int]]:
    return [(tx_hash(*position), position[0]) for position in positions]


def fetch_all(node: Node, chunks: list[LedgerChunk]) -> Places:
    client = client_of(node)
    return [
        (item.ledger, item.application_order)
        for chunk in chunks
        for item in chunk.fetch(client)
        if isinstance(item, Transaction)
    ]


def test_cut_balances_and_saves_calls_with_exact_estimates() -> None:
    counts = [(10, 150), (11, 3), (13, 47)]
    node = ledgers_of(*counts, (14, 1))
    chunks = cut_ledgers(LedgerRange(10, 13), dict(counts), size=21)
    assert [chunk.limit for chunk in chunks] == [21] * 9 + [12]
    assert fetch_all(node, chunks) == [*orders(10, 150), *orders(11, 3), *orders(13, 47)]
    assert node.posts == 10


ESTIMATES: tuple[dict[int, int], ...] = (
    {10: 30, 12: 30},
    {10: 1000, 11: 1, 12: 1000},
    {10: 31, 11: 29, 12: 30},
    {11: 41},
)


@pytest.mark.parametrize("estimates", ESTIMATES)
@pytest.mark.parametrize("size", [20, 60, 1000])
def test_cut_is_a_partition_whatever_the_estimates_say(
    estimates: dict[int, int], size: int
) -> None:
    node = ledgers_of((9, 5), (10, 33), (11, 40), (12, 31), (13, 2))
    chunks = cut_ledgers(LedgerRange(10, 12), estimates, size)
    assert fetch_all(node, chunks) == [*orders(10, 33), *orders(11, 40), *orders(12, 31)]
    assert_partition(chunks)


def test_cut_is_a_partition_with_an_absurd_estimate() -> None:
    assert_partition(cut_ledgers(LedgerRange(10, 12), {10: 2**40}, 1000))


def assert_partition(chunks: list[LedgerChunk]) -> None:
    starts = [chunk.start for chunk in chunks]
    assert starts == [(10, 0), *(chunk.end for chunk in chunks[:-1])]


def test_cut_keeps_small_batches_in_one_chunk() -> None:
    (chunk,) = cut_ledgers(LedgerRange(10, 12), {10: 20, 11: 19}, 40)
    assert (chunk.start, chunk.end, chunk.limit) == ((10, 0), (12, MAX_TX), 40)


def test_cut_keeps_a_boundary_at_the_ledgers_estimated_end() -> None:
    first, last = cut_ledgers(LedgerRange(10, 11), {10: 20, 11: 15}, 20)
    assert (first.start, first.end, first.limit) == ((10, 0), (10, 20), 20)
    assert (last.start, last.end, last.limit) == ((10, 20), (11, MAX_TX), 16)


def test_cut_chunk_larger_than_a_page_takes_several_calls() -> None:
    node = ledgers_of((10, 1000), (11, 1))
    chunks = cut_ledgers(LedgerRange(10, 10), {10: 1000}, 600)
    assert [chunk.limit for chunk in chunks] == [600, 401]
    assert fetch_all(node, chunks) == orders(10, 1000)
    assert [params["pagination"]["limit"] for _, params in node.calls] == [200] * 5 + [1]


@pytest.mark.parametrize("at_tip", [False, True])
def test_cut_without_estimates_asks_for_one_transaction(at_tip: bool) -> None:
    (chunk,) = cut_ledgers(LedgerRange(10, 19), {}, size=200, at_tip=at_tip)
    assert (chunk.label, chunk.limit) == ("10-19", 1)
    node = ledgers_of((9, 1), (20, 30))
    assert fetch_all(node, [chunk]) == []
    assert [params["pagination"]["limit"] for _, params in node.calls] == [1]


def test_chunk_that_holds_more_than_expected_asks_for_few_of_later_ledgers() -> None:
    node = ledgers_of((9, 1), (12, 3), (13, 250), (19, 2), (20, 500))
    chunks = cut_ledgers(LedgerRange(10, 19), {}, size=200)
    assert fetch_all(node, chunks) == [*orders(12, 3), *orders(13, 250), *orders(19, 2)]
    limits = [params["pagination"]["limit"] for _, params in node.calls]
    assert limits == [1, 20, 42, 126, 200]


def test_planner_expects_as_many_transactions_without_events_as_there_were() -> None:
    chosen = planner(filtered=False)
    ledgers = LedgerRange(1, 100)
    chosen.learn(ledgers, 30, 5)
    named = {"a": 7, "b": 7, "c": 90}
    estimates = chosen._estimates(ledgers, named)
    assert sum(estimates.values()) == 25 + 3
    assert estimates[7] == 2
    assert list(estimates) == sorted(estimates)
    chosen.learn(ledgers, 25, 25)
    assert sum(chosen._estimates(ledgers, {}).values()) == 12


def test_cut_hash_chunks_are_near_equal_and_at_most_the_workers() -> None:
    wanted = hashes(*orders(10, 25))
    chunks = cut_hashes(wanted, max_chunks=4, batch_calls=5)
    assert [len(chunk._ledgers) for chunk in chunks] == [6, 6, 6, 7]
    assert len(cut_hashes(wanted, max_chunks=10, batch_calls=50)) == 1
    assert cut_hashes([], max_chunks=10, batch_calls=50) == []


def test_cut_at_the_tip_asks_beside_the_others_what_follows_them() -> None:
    node = ledgers_of((10, 20), (11, 15))
    node.latest = 11
    chunks = cut_ledgers(LedgerRange(10, 11), {10: 20, 11: 15}, 20, at_tip=True)
    assert [chunk.label for chunk in chunks] == ["10-10:20", "10:21-11:15", "11:16-11"]
    assert fetch_all(node, chunks) == [*orders(10, 20), *orders(11, 15)]
    assert node.posts == 3


@pytest.mark.parametrize("estimates", [{10: 5}, {10: 20, 11: 14}, {10: 25, 11: 40}])
def test_cut_at_the_tip_is_a_partition_whatever_the_estimates_say(
    estimates: dict[int, int],
) -> None:
    node = ledgers_of((10, 20), (11, 15))
    node.latest = 11
    chunks = cut_ledgers(LedgerRange(10, 11), estimates, 20, at_tip=True)
    assert fetch_all(node, chunks) == [*orders(10, 20), *orders(11, 15)]
