import json

import httpx
import pytest

from sorobanflow.errors import LedgerOutsideRetentionError, NodeBehindError, RpcUnavailableError
from sorobanflow.sources.items import Malformed
from sorobanflow.sources.rpc.hash_chunk import HashChunk
from sorobanflow.sources.rpc.ledger_chunk import LedgerChunk
from tests.unit.rpc_node import client_of, tx_hash
from tests.unit.test_rpc_ledger_chunk import node_of, orders, places


def hashes(*positions: tuple[int, int]) -> list[tuple[str, int]]:
    return [(tx_hash(*position), position[0]) for position in positions]


@pytest.mark.parametrize(("batch_calls", "posts"), [(1, 5), (2, 3), (50, 1)])
def test_hash_chunk_asks_in_batches(batch_calls: int, posts: int) -> None:
    node = node_of((10, 3), (11, 2))
    wanted = [*orders(11, 2), *orders(10, 3)]
    found = HashChunk(hashes(*wanted), batch_calls).fetch(client_of(node))
    assert places(found) == wanted
    assert node.posts == posts


def test_hash_chunk_not_found_then_found() -> None:
    node = node_of((10, 3))
    node.hidden = {tx_hash(10, 2)}
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        node.hidden.clear()

    client = client_of(node, sleep=wait, uniform=lambda low, high: high)
    found = HashChunk(hashes(*orders(10, 3)), 50).fetch(client)
    assert places(found) == orders(10, 3)
    assert waited == [0.5]
    assert [params["hash"] for _, params in node.calls][3:] == [tx_hash(10, 2)]


def test_hash_chunk_never_found_is_malformed() -> None:
    node = node_of((10, 3))
    node.hidden = {tx_hash(10, 2)}
    found = HashChunk(hashes(*orders(10, 3)), 50).fetch(client_of(node))
    assert places(found) == [(10, 1), (0, 0), (10, 3)]
    lost = found[1]
    assert isinstance(lost, Malformed)
    assert json.loads(lost.payload) == {"txHash": tx_hash(10, 2), "ledger": 10}
    assert lost.error == "NOT_FOUND though the node has ledger 10"
    assert len(node.calls) == 3 + 3


@pytest.mark.parametrize(
    ("bounds", "error"),
    [((1, 9), NodeBehindError(10, 9)), ((11, 90), LedgerOutsideRetentionError(10, 11))],
)
def test_hash_chunk_not_found_is_judged_by_the_ledger(
    bounds: tuple[int, int], error: Exception
) -> None:
    node = node_of((10, 2))
    node.hidden = {tx_hash(10, 2)}
    node.oldest, node.latest = bounds
    chunk, client = HashChunk(hashes(*orders(10, 2)), 50), client_of(node)
    with pytest.raises(type(error)) as caught:
        chunk.fetch(client)
    assert caught.value.args == error.args
    node.hidden.clear()
    assert places(chunk.fetch(client)) == orders(10, 2)
    assert [params["hash"] for _, params in node.calls][2:] == [tx_hash(10, 2)]


@pytest.mark.parametrize("failing", range(1, 8))
@pytest.mark.parametrize("batch_calls", [1, 2])
def test_hash_chunk_goes_on_after_a_failure_at_any_call(failing: int, batch_calls: int) -> None:
    node = node_of((10, 7))
    node.before = lambda number: httpx.Response(503) if number == failing else None
    chunk, client = HashChunk(hashes(*orders(10, 7)), batch_calls), client_of(node)
    for _ in range(2):
        try:
            found = chunk.fetch(client)
        except RpcUnavailableError:
            continue
    assert places(found) == orders(10, 7)
    asked = [params["hash"] for _, params in node.calls]
    assert sorted(asked) == [tx_hash(10, order) for order in range(1, 8)]


def test_hash_chunk_label_names_its_part() -> None:
    assert HashChunk([("ab" * 32, 12), ("cd" * 32, 10)]).label == "10-12:abababab"


def test_chunks_are_plain_objects() -> None:
    for kind in (LedgerChunk, HashChunk):
        assert not hasattr(kind, "__dataclass_fields__")
        assert not hasattr(kind, "model_fields")
