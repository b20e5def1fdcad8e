"""What providers put before their nodes: limits, refused and cut batches, other spellings."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sorobanflow.errors import (
    RateLimitedError,
    RpcInternalError,
    RpcProtocolError,
    RpcRequestError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.jsonrpc_batch import REFUSED_S, Answer
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.sources.rpc.wire import Health
from tests.unit.rpc_node import Node, client_of, fill, json_handler, tx_hash

HASHES = [tx_hash(10, order) for order in range(1, 6)]
BOM = b"\xef\xbb\xbf"
CHALLENGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"

Members = list[dict[str, Any]]


@pytest.fixture
def node() -> Node:
    node = Node()
    fill(node, [(10, 5)])
    return node


def batch(client: RpcClient) -> list[Answer]:
    answers: dict[str, Answer] = {}
    client.get_transaction_batch(HASHES, answers)
    return [answers[name] for name in HASHES]


def found(client: RpcClient) -> list[str | None]:
    return [getattr(answer, "tx_hash", None) for answer in batch(client)]


class Gateway:
    """Passes single calls on to the node, and answers batches itself."""

    def __init__(self, node: Node, answer: Callable[[Members], httpx.Response]) -> None:
        self.node = node
        self.answer = answer
        self.batches = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        if not isinstance(asked, list):
            return self.node(request)
        self.batches += 1
        return self.answer(asked)


# Rate limits inside of HTTP 200.


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32005, "daily request count exceeded"),
        (-32007, "50/second limit"),
        (-32029, "slow down"),
        (429, "compute units per second exceeded"),
        (-32000, "Rate limit exceeded"),
        (-32603, "rate-limited"),
        (-32600, "Too many requests, reason: call rate"),
        (-32003, "daily request limit reached - upgrade your account"),
    ],
)
def test_rate_limit_in_http_200_is_retried_and_counts_as_strain(code: int, message: str) -> None:
    stats, tried = RpcStats(), []
    refusing = json_handler(error={"code": code, "message": message})

    def handle(request: httpx.Request) -> httpx.Response:
        tried.append(request)
        return refusing(request)

    with pytest.raises(RateLimitedError, match=message):
        client_of(handle, attempts=3, hook=stats).get_health()
    assert len(tried) == 3
    assert "rate limits" in stats.concurrency()


@pytest.mark.parametrize(
    "error",
    ["Too Many Requests", {"message": "API rate limit exceeded"}, {"code": "429", "message": ""}],
    ids=str,
)
def test_rate_limit_in_another_shape_is_one_too(error: Any) -> None:
    for body in ({"error": error}, {"id": 1, "error": error}):
        client = client_of(lambda request, body=body: httpx.Response(200, json=body))
        with pytest.raises(RateLimitedError):
            client.get_health()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32602, "limit must not exceed 5"),
        (-32001, "request exceeded processing limit threshold"),
        (-32098, "rpc queue for getEvents surpassed queue limit of 1000 requests"),
    ],
)
def test_other_limits_are_no_rate_limits(code: int, message: str) -> None:
    with pytest.raises(SorobanflowError) as caught:
        client_of(json_handler(error={"code": code, "message": message})).get_health()
    assert not isinstance(caught.value, RateLimitedError)


def test_rate_limit_of_some_calls_of_a_batch_is_strain(node: Node) -> None:
    stats = RpcStats()

    def limited(asked: Members) -> httpx.Response:
        members = [node.answer(call) for call in asked]
        for member in members[2:]:
            member["error"] = {"code": -32005, "message": "no"}
            del member["result"]
        return httpx.Response(200, json=members)

    gateway = Gateway(node, limited)
    assert found(client_of(gateway, attempts=3, hook=stats)) == HASHES
    assert gateway.batches == 2
    assert "rate limits" in stats.concurrency()


# Batches.


def ok(body: Any) -> Callable[[Members], httpx.Response]:
    return lambda asked: httpx.Response(200, json=body)


def status(code: int, **content: Any) -> Callable[[Members], httpx.Response]:
    return lambda asked: httpx.Response(code, **content)


NO = {"code": -32600, "message": "batches are not supported"}
REFUSALS = {
    "400": status(400, text="no batches"),
    "402": status(402, json={"error": "upgrade"}),
    "403 JSON": status(403, json={"error": "batches are not in your plan"}),
    "403 HTML": status(403, text=CHALLENGE),
    "413": status(413),
    "429": status(429, headers={"Retry-After": "1"}),
    "500": status(500),
    "504": status(504),
    "204": status(204),
    "an empty array": ok([]),
    "an empty object": ok({}),
    "null": ok(None),
    "a text": status(200, text="batch too large"),
    "one error": ok({"jsonrpc": "2.0", "id": None, "error": NO}),
    "one rate limit": ok({"id": None, "error": {"code": -32005, "message": "no"}}),
    "one internal error": ok({"id": None, "error": {"code": -32603, "message": "no"}}),
    "an array with one error": ok([{"id": None, "error": NO}]),
    "an array with an error of the first call": lambda asked: httpx.Response(
        200, json=[{"id": asked[0]["id"], "error": NO}]
    ),
    "a single result": lambda asked: httpx.Response(
        200, json={"id": asked[0]["id"], "result": {"status": "NOT_FOUND"}}
    ),
    "results of other ids": ok([{"id": 99, "result": {"status": "NOT_FOUND"}}]),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS.keys())
def test_refused_batch_ends_in_single_calls(node: Node, answer: Any) -> None:
    now = 0.0
    gateway = Gateway(node, answer)
    client = client_of(gateway, attempts=5, clock=lambda: now)
    assert found(client) == HASHES
    refused = gateway.batches
    assert refused <= 2
    assert found(client) == HASHES
    assert gateway.batches == refused
    assert [params["hash"] for _, params in node.calls] == HASHES * 2
    # It may have been a bad moment.
    now += REFUSED_S
    gateway.answer = lambda asked: httpx.Response(200, json=[node.answer(call) for call in asked])
    assert found(client) == HASHES
    assert gateway.batches == refused + 1


@pytest.mark.parametrize(
    ("response", "raised"),
    [
        (httpx.Response(401), RpcRequestError),
        (httpx.Response(403, json={"error": "no such key"}), RpcRequestError),
        (httpx.Response(403, text=CHALLENGE), RpcUnavailableError),
        (httpx.Response(429), RateLimitedError),
        (httpx.Response(502), RpcUnavailableError),
        (httpx.Response(204), RpcProtocolError),
        (httpx.Response(200, json=[]), RpcProtocolError),
        (httpx.Response(200, json={"id": None, "error": {"code": -32603}}), RpcInternalError),
    ],
)
def test_node_that_answers_no_single_call_either_is_down(
    response: httpx.Response, raised: type
) -> None:
    client = client_of(lambda request: response)
    with pytest.raises(raised):
        batch(client)
    assert client.batches.accepted


def test_batch_refused_for_its_size_becomes_smaller_and_grows_again(node: Node) -> None:
    fill(node, [(11, 40)])
    hashes = [tx_hash(11, order) for order in range(1, 41)]
    largest = 10

    def bounded(asked: Members) -> httpx.Response:
        if len(asked) > largest:
            return httpx.Response(429)
        return httpx.Response(200, json=[node.answer(call) for call in asked])

    gateway = Gateway(node, bounded)
    client = client_of(gateway, attempts=1)
    batch(client)  # five are answered
    size = client.sizes["getTransaction"]

    def ask() -> None:
        answers: dict[str, Answer] = {}
        calls = min(size.items, 20)
        for first in range(0, 40, calls):
            client.get_transaction_batch(hashes[first : first + calls], answers)
        assert list(answers) == hashes

    ask()
    assert size.items <= 10
    assert client.batches.accepted
    largest = 0  # now it refuses all, for a while
    for _ in range(5):
        ask()
    assert size.items <= 2
    largest = 100
    for _ in range(10):
        ask()
    assert size.items >= 20


def test_cut_batch_is_asked_for_its_rest_at_once(node: Node) -> None:
    waits: list[float] = []

    def cut(asked: Members) -> httpx.Response:
        return httpx.Response(200, json=[node.answer(call) for call in asked[:2]])

    gateway = Gateway(node, cut)
    assert found(client_of(gateway, attempts=1, sleep=waits.append)) == HASHES
    assert gateway.batches == 3
    assert waits == []


# Other spellings, and answers to other calls.


def test_ids_as_strings_and_a_byte_order_mark_are_taken(node: Node) -> None:
    def spelled(request: httpx.Request) -> httpx.Response:
        answer = node(request).json()
        for member in answer if isinstance(answer, list) else [answer]:
            member["id"] = str(member["id"])
        return httpx.Response(200, content=BOM + json.dumps(answer).encode())

    client = client_of(spelled)
    assert client.get_health() == Health(100, 1)
    assert found(client) == HASHES
    assert node.posts == 2


@pytest.mark.parametrize("wrong", [7, "7", "01", "1 ", "", None, "None", 1.5, True, [1], {"id": 1}])
def test_answer_with_another_id_is_refused(wrong: Any) -> None:
    body = {"id": wrong, "result": {"latestLedger": 9, "oldestLedger": 1}}
    client = client_of(lambda request: httpx.Response(200, json=body))
    with pytest.raises(RpcProtocolError):
        client.get_health()


@pytest.mark.parametrize(
    "mix_up", [lambda ids: ids[1:] + ids[:1], lambda ids: [f"x{n}" for n in ids]]
)
def test_answers_of_a_batch_with_other_ids_are_not_taken(node: Node, mix_up: Any) -> None:
    def mixed(asked: Members) -> httpx.Response:
        members = [node.answer(call) for call in asked]
        ids = mix_up([str(member["id"]) for member in members])
        return httpx.Response(
            200, json=[member | {"id": id_} for member, id_ in zip(members, ids, strict=True)]
        )

    gateway = Gateway(node, mixed)
    assert found(client_of(gateway)) == HASHES
    assert gateway.batches == 1
    assert len(node.calls) == 10


def test_passing_challenge_page_is_retried_and_a_lasting_one_is_named(node: Node) -> None:
    challenge = httpx.Response(403, text=CHALLENGE)
    node.before = lambda number: challenge if number <= 2 else None
    assert client_of(node, attempts=3).get_health() == Health(100, 1)
    node.before = lambda number: challenge
    with pytest.raises(RpcUnavailableError, match=r"HTTP 403 .*admit .*Just a moment"):
        client_of(node, attempts=3).get_health()
    assert node.posts == 6
