import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from sorobanflow.errors import (
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcProtocolError,
    RpcUnavailableError,
)
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.ledger_chunk import LedgerChunk
from sorobanflow.toid import MAX_TX, TxPosition, parse_transactions_cursor
from tests.unit.rpc_node import Node, client_of, fill, transaction, tx_hash

Places = list[tuple[int, int]]


def node_of(*counts: tuple[int, int], oldest: int = 1, latest: int = 100) -> Node:
    node = Node(oldest, latest)
    fill(node, counts)
    return node


def whole(first: int, last: int, limit: int = 200) -> LedgerChunk:
    return LedgerChunk((first, 0), (last, MAX_TX), limit)


def places(found: Sequence[Transaction | Malformed]) -> Places:
    return [
        (item.ledger, item.application_order) if isinstance(item, Transaction) else (0, 0)
        for item in found
    ]


def orders(ledger: int, count: int, after: int = 0) -> Places:
    return [(ledger, order) for order in range(after + 1, count + 1)]


def spoil(node: Node, change: Callable[[dict[str, Any]], object]) -> Callable[..., Any]:
    def handle(request: httpx.Request) -> httpx.Response:
        reply = node(request).json()
        change(reply["result"])
        return httpx.Response(200, json=reply)

    return handle


def test_ledger_chunk_ends_at_the_first_transaction_after_it() -> None:
    node = node_of((10, 3), (11, 2), (12, 1), (13, 1))
    found = whole(10, 11, limit=6).fetch(client_of(node))
    assert places(found) == [*orders(10, 3), *orders(11, 2)]
    assert node.posts == 1


def test_ledger_chunk_in_the_middle_of_ledgers() -> None:
    node = node_of((10, 5), (11, 5))
    found = LedgerChunk((10, 3), (11, 2), 4).fetch(client_of(node))
    assert places(found) == [(10, 4), (10, 5), (11, 1), (11, 2)]
    assert node.posts == 1


def test_ledger_chunk_of_exactly_a_page_needs_a_proof() -> None:
    node = node_of((10, 4), (11, 2))
    chunk = whole(10, 10, limit=4)
    assert places(chunk.fetch(client_of(node))) == orders(10, 4)
    assert node.posts == 2


def test_ledger_chunk_longer_than_a_page() -> None:
    node = node_of((10, 450), (11, 1))
    found = whole(10, 10).fetch(client_of(node))
    assert places(found) == orders(10, 450)
    assert node.posts == 3


def test_ledger_chunk_end_that_does_not_exist_takes_the_rest_of_the_ledger() -> None:
    node = node_of((10, 3), (11, 2))
    assert places(LedgerChunk((10, 1), (10, 99)).fetch(client_of(node))) == [(10, 2), (10, 3)]


def test_ledger_chunk_at_the_tip_asks_once_more() -> None:
    node = node_of((99, 3), (100, 2))
    assert places(whole(99, 100).fetch(client_of(node))) == [*orders(99, 3), *orders(100, 2)]
    assert [params["pagination"]["cursor"] for _, params in node.calls] == [
        TxPosition(99, 0).cursor,
        TxPosition(100, 2).cursor,
    ]


@pytest.mark.parametrize("cap", [1, 2, 5])
def test_ledger_chunk_under_a_silent_cap_is_whole(cap: int) -> None:
    node = node_of((99, 7), (100, 5))
    node.silent_cap = cap
    assert places(whole(99, 100).fetch(client_of(node))) == [*orders(99, 7), *orders(100, 5)]


def test_ledger_chunk_under_a_told_cap_is_whole() -> None:
    node = node_of((99, 7), (100, 5))
    node.transaction_limit = 4
    assert places(whole(99, 100).fetch(client_of(node))) == [*orders(99, 7), *orders(100, 5)]


def test_ledger_chunk_of_empty_ledgers_at_the_tip() -> None:
    assert whole(98, 100).fetch(client_of(node_of((97, 3)))) == []


def test_ledger_chunk_whose_last_ledgers_are_empty() -> None:
    node = node_of((97, 3), (98, 2))
    assert places(whole(98, 100).fetch(client_of(node))) == orders(98, 2)


@pytest.mark.parametrize("latest", [98, 99])
def test_ledger_chunk_waits_for_a_node_that_is_behind(latest: int) -> None:
    node = node_of((99, 3), (100, 2), latest=latest)
    chunk, client = whole(99, 100), client_of(node)
    with pytest.raises(NodeBehindError) as caught:
        chunk.fetch(client)
    assert caught.value.ledger == 100
    node.latest = 100
    assert places(chunk.fetch(client)) == [*orders(99, 3), *orders(100, 2)]


def test_ledger_chunk_cursor_zero_is_not_taken_over() -> None:
    node = node_of((99, 3), (100, 2), latest=98)
    chunk, client = whole(99, 100), client_of(node)
    with pytest.raises(NodeBehindError):
        chunk.fetch(client)
    node.latest = 101
    chunk.fetch(client)
    cursors = [parse_transactions_cursor(p["pagination"]["cursor"]) for _, p in node.calls]
    assert cursors[:2] == [(99, 0), (99, 0)]


def test_ledger_chunk_tip_delivered_again_is_taken_once() -> None:
    node = node_of((99, 3), (100, 2), (101, 1), latest=100)
    tip = [row for row in node.transactions if row["ledger"] == 100]

    def again(page: dict[str, Any]) -> None:
        if page["transactions"]:
            page["transactions"] = tip + page["transactions"]

    chunk, client = whole(99, 101), client_of(node)
    with pytest.raises(NodeBehindError):
        chunk.fetch(client)
    node.latest = 101
    found = chunk.fetch(client_of(spoil(node, again)))
    assert places(found) == [*orders(99, 3), *orders(100, 2), (101, 1)]


@pytest.mark.parametrize("cursor", [TxPosition(100, 2).cursor, ""])
def test_ledger_chunk_page_of_known_transactions_alone_proves_nothing(cursor: str) -> None:
    node = node_of((99, 3), (100, 2))
    tip = [row for row in node.transactions if row["ledger"] == 100]

    def again(page: dict[str, Any]) -> None:
        if not page["transactions"]:
            page.update(transactions=tip, cursor=cursor)

    with pytest.raises(RpcProtocolError, match="the pages stay at"):
        whole(99, 100).fetch(client_of(spoil(node, again)))


def test_ledger_chunk_below_the_store_is_outside_retention() -> None:
    with pytest.raises(LedgerOutsideRetentionError) as caught:
        whole(10, 11).fetch(client_of(node_of((10, 3), oldest=50)))
    assert caught.value.args == (10, 50)


def test_ledger_chunk_skipped_by_the_node_is_outside_retention() -> None:
    node = node_of((10, 3), (11, 3))
    answer = spoil(node, lambda page: page.update(oldestLedger=11))
    with pytest.raises(LedgerOutsideRetentionError) as caught:
        whole(10, 11).fetch(client_of(answer))
    assert caught.value.args == (10, 11)


def test_ledger_chunk_full_pages_that_stay_are_an_error() -> None:
    node = node_of((10, 3))
    rows = node.transactions[:1]

    def stay(page: dict[str, Any]) -> None:
        page["transactions"] = rows

    with pytest.raises(RpcProtocolError, match="the pages stay at"):
        LedgerChunk((10, 1), (10, MAX_TX), 1).fetch(client_of(spoil(node, stay)))


def test_ledger_chunk_malformed_keep_their_place() -> None:
    node = node_of((10, 5), (11, 5))
    node.transactions[1]["feeBump"] = "x"
    node.transactions[2] = {"status": 5}
    node.transactions[6]["feeBump"] = "x"
    handler = spoil(node_of((10, 5), (11, 5)), lambda page: page.update(
        transactions=node.transactions[:8]
    ))  # fmt: skip
    found = whole(10, 10).fetch(client_of(handler))
    assert places(found) == [(10, 1), (0, 0), (0, 0), (10, 4), (10, 5)]


def test_ledger_chunk_goes_on_after_a_malformed_last_transaction() -> None:
    node = node_of((10, 4), (11, 1))
    node.transactions[1]["envelopeXdr"] = None
    found = whole(10, 10, limit=2).fetch(client_of(node))
    assert places(found) == [(10, 1), (0, 0), (10, 3), (10, 4)]


@pytest.mark.parametrize("lacks", ["ledger", "applicationOrder"])
@pytest.mark.parametrize("limit", [2, 3])
def test_ledger_chunk_leaves_a_malformed_one_to_the_chunk_that_it_is_of(
    lacks: str, limit: int
) -> None:
    def spoil_second(page: dict[str, Any]) -> None:
        for row in page["transactions"][1:2]:
            del row[lacks]

    handler = spoil(node_of((10, 1), (12, 2)), spoil_second)
    assert places(whole(10, 10, limit=limit).fetch(client_of(handler))) == [(10, 1)]
    handler = spoil(node_of((10, 2), (12, 1)), spoil_second)
    found = whole(10, 10, limit=limit).fetch(client_of(handler))
    assert places(found) == [(10, 1), (0, 0)]


@pytest.mark.parametrize(
    "says",
    [
        {"ledger": 13, "applicationOrder": None},
        {"ledger": "13", "applicationOrder": "1"},
        {"ledger": None, "applicationOrder": 0},
        {"ledger": None, "applicationOrder": 3},
        {"ledger": True, "applicationOrder": True},
    ],
)
def test_ledger_chunk_keeps_a_malformed_one_whose_place_does_not_fit(says: dict[str, Any]) -> None:
    def spoil_second(page: dict[str, Any]) -> None:
        page["transactions"][1] |= says | {"feeBump": "x"}

    handler = spoil(node_of((10, 1), (12, 2)), spoil_second)
    assert places(whole(10, 10, limit=3).fetch(client_of(handler))) == [(10, 1), (0, 0)]


def test_ledger_chunk_malformed_and_no_cursor_prove_nothing() -> None:
    node = node_of((10, 2), (11, 1))
    node.transactions[1]["envelopeXdr"] = None

    def no_cursor(page: dict[str, Any]) -> None:
        page["cursor"] = ""

    with pytest.raises(RpcProtocolError):
        LedgerChunk((10, 1), (10, MAX_TX), 1).fetch(client_of(spoil(node, no_cursor)))


def moved(position: tuple[int, int], ledger: int, order: int) -> dict[str, Any]:
    """A transaction of one place that states another."""
    return transaction(ledger, order, txHash=tx_hash(*position))


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("stated", [(99, 1), (0, 1), (9, 3), (10, 9)])
def test_ledger_chunk_wrong_place_moves_nothing(at: int, stated: tuple[int, int]) -> None:
    node = node_of((10, 4), (11, 2))
    node.silent_cap = 2

    def spoil_first(page: dict[str, Any]) -> None:
        if node.posts == 1:
            page["transactions"][at] = moved((10, at + 1), *stated)

    found = whole(10, 10).fetch(client_of(spoil(node, spoil_first)))
    expected = [*orders(10, 4)]
    expected[at] = (0, 0)
    assert places(found) == expected
    (wrong,) = [item for item in found if isinstance(item, Malformed)]
    assert json.loads(wrong.payload)["txHash"] == tx_hash(10, at + 1)
    assert f"its place {stated} is not where it stands" in wrong.error


def test_ledger_chunk_transaction_at_a_wrong_place_and_then_at_its_own_comes_once() -> None:
    node = node_of((10, 4), (11, 2))
    node.silent_cap = 2

    def stray(page: dict[str, Any]) -> None:
        if node.posts == 1:
            page["transactions"].insert(0, transaction(10, 4))

    assert places(whole(10, 10).fetch(client_of(spoil(node, stray)))) == orders(10, 4)


def test_ledger_chunk_wrong_place_below_the_cursor_costs_only_itself() -> None:
    node = node_of((10, 4), (11, 2), (12, 5))

    def spoil_second(page: dict[str, Any]) -> None:
        page["transactions"][1] = moved((10, 2), 12, 4)

    found = whole(10, 11, limit=11).fetch(client_of(spoil(node, spoil_second)))
    assert places(found) == [(10, 1), (0, 0), (10, 3), (10, 4), (11, 1), (11, 2)]


def test_ledger_chunk_place_of_another_transaction_is_malformed() -> None:
    node = node_of((10, 4), (11, 1))
    node.silent_cap = 2

    def spoil_second(page: dict[str, Any]) -> None:
        if node.posts == 2:
            page["transactions"][0] = moved((10, 3), 10, 1)

    found = whole(10, 10).fetch(client_of(spoil(node, spoil_second)))
    assert places(found) == [(10, 1), (10, 2), (0, 0), (10, 4)]


def test_ledger_chunk_within_the_tip_leaves_out_what_stands_before_it() -> None:
    node = node_of((99, 1), (100, 3))
    tip = [row for row in node.transactions if row["ledger"] == 100]

    def again(page: dict[str, Any]) -> None:
        if page["transactions"]:
            page["transactions"] = tip

    found = LedgerChunk((100, 2), (100, MAX_TX)).fetch(client_of(spoil(node, again)))
    assert places(found) == [(100, 3)]


def test_ledger_chunk_delivered_twice_in_a_page_is_taken_once() -> None:
    node = node_of((10, 2), (11, 1))

    def twice(page: dict[str, Any]) -> None:
        page["transactions"] *= 2

    found = whole(10, 10).fetch(client_of(spoil(node, twice)))
    assert places(found) == orders(10, 2)


@pytest.mark.parametrize("cursor", ["0", "", TxPosition(100, 0).cursor])
def test_ledger_chunk_cursor_that_names_no_transaction_bounds_no_page(cursor: str) -> None:
    node = node_of((97, 2), (98, 2))

    def other(page: dict[str, Any]) -> None:
        page["cursor"] = cursor if node.posts == 1 else page["cursor"]

    found = whole(97, 98, limit=10).fetch(client_of(spoil(node, other)))
    assert places(found) == [*orders(97, 2), *orders(98, 2)]


@pytest.mark.parametrize("failing", range(1, 8))
def test_ledger_chunk_goes_on_after_a_failure_at_any_call(failing: int) -> None:
    node = node_of((10, 7), (11, 6))
    node.silent_cap = 2
    node.before = lambda number: httpx.Response(503) if number == failing else None
    chunk, client = whole(10, 11), client_of(node)
    with pytest.raises(RpcUnavailableError):
        chunk.fetch(client)
    assert places(chunk.fetch(client)) == [*orders(10, 7), *orders(11, 6)]
    cursors = [params["pagination"]["cursor"] for _, params in node.calls]
    assert len(cursors) == len(set(cursors))
    posts = node.posts
    assert places(chunk.fetch(client)) == [*orders(10, 7), *orders(11, 6)]
    assert node.posts == posts


@pytest.mark.parametrize(
    ("chunk", "label"),
    [
        (whole(10, 12), "10-12"),
        (whole(10, 10), "10"),
        (LedgerChunk((10, 3), (12, 4)), "10:4-12:4"),
        (LedgerChunk((10, 3), (10, MAX_TX)), "10:4-10"),
    ],
)
def test_ledger_chunk_label_names_its_part(chunk: LedgerChunk, label: str) -> None:
    assert chunk.label == label


def test_transaction_of_the_fake_node_decodes() -> None:
    found = whole(10, 10).fetch(client_of(node_of((10, 1), (11, 1))))
    assert isinstance(found[0], Transaction)
    assert found[0].tx_hash == transaction(10, 1)["txHash"]
