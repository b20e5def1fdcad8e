import json
import math
import pickle
from typing import Any

import httpx
import pytest

from sorobanflow.errors import (
    AnswerTooLargeError,
    CircuitOpenError,
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcInternalError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from sorobanflow.records import BreakerChanged, ConcurrencyChanged, Retrying
from sorobanflow.sources.endpoint.breaker import BreakerSettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.jsonrpc_batch import Answer
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.sources.rpc.wire import Health, Network, NotFound
from sorobanflow.toid import Position, TxPosition
from tests.unit.rpc_node import (
    Node,
    RpcFaultError,
    client_of,
    event,
    fill,
    json_handler,
    transaction,
    tx_hash,
)

HASHES = [tx_hash(10, order) for order in range(1, 6)]


@pytest.fixture
def node() -> Node:
    node = Node()
    fill(node, [(10, 5)])
    return node


def batch(client: RpcClient, hashes: list[str]) -> list[Answer]:
    answers: dict[str, Answer] = {}
    client.get_transaction_batch(hashes, answers)
    return [answers[name] for name in hashes]


def fault_of(code: int, message: str, data: Any = None) -> RpcFaultError:
    return RpcFaultError(code, message, data)


def test_client_health_and_network_send_no_params() -> None:
    bodies: list[dict[str, Any]] = []
    node = Node(oldest=3, latest=9)

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return node(request)

    client = client_of(handle)
    assert client.get_health() == Health(9, 3)
    assert client.get_network() == Network("Test Network")
    assert [sorted(body) for body in bodies] == [["id", "jsonrpc", "method"]] * 2
    assert client.endpoint == "https://node.example:8443"


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (-32001, RpcTimeoutError),
        (-32098, RpcUnavailableError),
        (-32003, RpcInternalError),
        (-32603, RpcInternalError),
        (-32600, RpcRequestError),
        (-32601, RpcRequestError),
        (-32602, RpcRequestError),
        (-32700, RpcRequestError),
    ],
)
def test_client_maps_json_rpc_errors(code: int, raised: type) -> None:
    client = client_of(json_handler(error={"code": code, "message": "why", "data": "detail"}))
    with pytest.raises(raised, match="why: detail") as caught:
        client.get_health()
    assert type(caught.value) is raised


@pytest.mark.parametrize(
    "body",
    [
        b"<html>gateway</html>",
        b"",
        b'{"jsonrpc":"2.0","id":1,"result":{"latestLedger":5',
        b'{"jsonrpc":"2.0","id":1.5,"result":{"latestL',
        b'{"jsonrpc":"2.0","id":1,"result":{"status":"\xff"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\xff"}}',
    ],
)
def test_client_body_that_is_no_json_is_the_endpoints_fault(body: bytes) -> None:
    client = client_of(lambda request: httpx.Response(200, content=body))
    with pytest.raises(RpcUnavailableError):
        client.get_health()


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"latestLedger":"x","oldestLedger":1}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"latestLedger":-1,"oldestLedger":1}}',
        b'{"jsonrpc":"2.0","id":2,"result":{"latestLedger":1,"oldestLedger":1}}',
        b'{"jsonrpc":"2.0","result":{"latestLedger":1,"oldestLedger":1}}',
        b'{"jsonrpc":"2.0","id":1,"result":null}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":5}',
        b'{"jsonrpc":"2.0","id":1,"error":5}',
        b'[{"jsonrpc":"2.0","id":1,"result":{}}]',
        b"null",
        b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_client_json_of_another_shape_is_a_protocol_error(body: bytes) -> None:
    client = client_of(lambda request: httpx.Response(200, content=body))
    with pytest.raises(RpcProtocolError):
        client.get_health()


def test_client_error_without_id_is_the_nodes_error() -> None:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "parse error"}}
    with pytest.raises(RpcRequestError, match="parse error"):
        client_of(lambda request: httpx.Response(200, json=body)).get_health()


@pytest.mark.parametrize(
    "text",
    [
        "startLedger must be within the ledger range: 50 - 90",
        "[-32600] startLedger must be within the ledger range: 50 - 90",
        "start ledger (1) must be between the oldest ledger: 50 and the latest ledger: 90 for x",
    ],
)
@pytest.mark.parametrize(
    ("start", "raised"),
    [
        (49, LedgerOutsideRetentionError(49, 50)),
        (91, NodeBehindError(91, 90)),
    ],
)
def test_client_range_errors_say_on_which_side(text: str, start: int, raised: Exception) -> None:
    client = client_of(json_handler(error={"code": -32600, "message": text}))
    for call in (
        lambda: client.get_events(start, 200),
        lambda: client.get_events(cursor=Position(start, 1, 0, 0).event_id),
        lambda: client.get_transactions(start=start),
        lambda: client.get_transactions(TxPosition(start, 3).cursor),
    ):
        with pytest.raises(type(raised)) as caught:
            call()
        assert caught.value.args == raised.args


def test_client_range_error_that_contradicts_itself_is_no_gap() -> None:
    text = "startLedger must be within the ledger range: 50 - 90"
    client = client_of(json_handler(error={"code": -32600, "message": text}))
    with pytest.raises(RpcInternalError, match="says it has 50-90"):
        client.get_events(60, 70)


def test_client_transactions_cursor_below_the_store_is_outside_retention() -> None:
    client = client_of(Node(oldest=50, latest=90))
    with pytest.raises(LedgerOutsideRetentionError) as caught:
        client.get_transactions(TxPosition(49, 0).cursor)
    assert caught.value.args == (49, 50)


def test_client_learns_the_page_limit_once(node: Node) -> None:
    node.transaction_limit = 3
    client = client_of(node)
    for _ in range(2):
        assert len(client.get_transactions(TxPosition(1, 0).cursor).items or ()) == 3
    limits = [params["pagination"]["limit"] for _, params in node.calls]
    assert limits == [200, 3, 3]


def test_client_learns_the_page_limit_from_an_http_400() -> None:
    node = Node()
    node.before = lambda number: (
        httpx.Response(400, text="limit must not exceed 7") if (number == 1) else None
    )
    client_of(node).get_events(1, 5)
    assert node.calls[0][1]["pagination"] == {"limit": 7}


def test_client_page_limit_that_is_no_lower_is_refused() -> None:
    error = {"code": -32602, "message": "limit must not exceed 10000"}
    with pytest.raises(RpcRequestError):
        client_of(json_handler(error=error)).get_events(1, 5)


def limits_asked(node: Node) -> list[int]:
    return [params["pagination"]["limit"] for _, params in node.calls]


def test_client_page_too_large_is_asked_for_in_halves_at_once(node: Node) -> None:
    client = client_of(node, http=HttpSettings(max_response_bytes=1000))
    page = client.get_transactions(TxPosition(1, 0).cursor, limit=5)
    assert page.size == 2
    assert limits_asked(node) == [5, 2]


def test_client_page_of_one_item_that_is_too_large_is_raised(node: Node) -> None:
    client = client_of(node, http=HttpSettings(max_response_bytes=10))
    with pytest.raises(AnswerTooLargeError):
        client.get_transactions(TxPosition(1, 0).cursor, limit=5)
    assert limits_asked(node) == [5, 2, 1]


@pytest.mark.parametrize("status", [408, 504])
def test_client_page_that_times_out_is_smaller_at_the_callers_next_try(status: int) -> None:
    node, asked = Node(), []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["params"]["pagination"]["limit"])
        return httpx.Response(status) if asked[-1] > 1 else node(request)

    client = client_of(handle, attempts=2)
    for _ in range(2):
        with pytest.raises(RpcTimeoutError):
            client.get_events(1, 5, limit=4)
    client.get_events(1, 5, limit=4)
    assert asked == [4, 4, 2, 2, 1]


def test_client_page_limit_stays_at_one_while_the_node_times_out() -> None:
    client = client_of(json_handler(error={"code": -32001, "message": "limit"}))
    for _ in range(3):
        with pytest.raises(RpcTimeoutError):
            client.get_transactions(start=5, limit=2)
    assert client.sizes["getTransactions"].items == 1


def test_client_page_keeps_its_size_when_the_endpoint_is_away() -> None:
    client = client_of(lambda request: httpx.Response(503))
    with pytest.raises(RpcUnavailableError):
        client.get_transactions(start=5)


def test_client_retries_through_the_breaker_until_it_opens() -> None:
    stats = RpcStats()
    client = client_of(
        lambda request: httpx.Response(503),
        attempts=5,
        breaker=BreakerSettings(failure_threshold=3, wait_s=0),
        hook=stats,
    )
    with pytest.raises(CircuitOpenError):
        client.get_health()
    assert client.breakers["getHealth"].state == "open"
    assert client.breakers["getEvents"].state == "closed"
    assert client.breakers["getHealth"].snapshot().failures == 3
    assert (stats.calls, stats.retries, stats.trips) == (3, 3, 1)


def test_client_reports_calls_retries_and_breakers() -> None:
    node = Node()
    records: list[Any] = []
    node.before = lambda number: httpx.Response(503) if number == 1 else None
    client = client_of(
        node, attempts=2, breaker=BreakerSettings(failure_threshold=1, open_s=0),
        hook=records.append, uniform=lambda low, high: high,
    )  # fmt: skip
    client.get_health()
    pace, failed, opened, retrying, probing, finished, closed = records
    assert pace == ConcurrencyChanged(5, 10, None)
    assert (failed.error, failed.size_bytes) == ("RpcUnavailableError", 0)
    assert opened == BreakerChanged("getHealth", "open")
    assert retrying == Retrying("getHealth", 0.5, "RpcUnavailableError")
    assert probing == BreakerChanged("getHealth", "half_open")
    assert finished.error is None
    assert finished.size_bytes > 50
    assert closed == BreakerChanged("getHealth", "closed")


def test_client_goes_on_when_the_hook_fails(caplog: pytest.LogCaptureFixture) -> None:
    def hook(record: object) -> None:
        raise ValueError("hook")

    assert client_of(Node(), hook=hook).get_health().latest_ledger == 100
    assert "the hook failed on CallFinished" in caplog.text


def test_client_transaction_found_and_not_found(node: Node) -> None:
    client = client_of(node)
    found = client.get_transaction(HASHES[0])
    assert isinstance(found, Transaction)
    assert (found.ledger, found.application_order, found.created_at) == (10, 1, 1_700_000_000)
    assert client.get_transaction("f" * 64) == NotFound(100, 1)


def test_client_not_found_without_zero_values() -> None:
    result = {"status": "NOT_FOUND", "latestLedger": 7, "oldestLedger": 2}
    assert client_of(json_handler(result)).get_transaction(HASHES[0]) == NotFound(7, 2)


def test_client_undecodable_transaction_is_malformed() -> None:
    answer = client_of(json_handler({"status": "SUCCESS"})).get_transaction(HASHES[0])
    assert isinstance(answer, Malformed)
    assert json.loads(answer.payload) == {"status": "SUCCESS"}


@pytest.mark.parametrize("changes", [{}, {"feeBump": "no"}], ids=["whole", "malformed"])
def test_client_another_transaction_is_a_protocol_error(changes: dict[str, Any]) -> None:
    with pytest.raises(RpcProtocolError, match="the node gave"):
        client_of(json_handler(transaction(10, 2, **changes))).get_transaction(HASHES[0])


def test_client_batch_is_one_post_answered_in_any_order(node: Node) -> None:
    def reversed_node(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=node(request).json()[::-1])

    answers = batch(client_of(reversed_node), [*HASHES, "f" * 64])
    assert [getattr(answer, "tx_hash", None) for answer in answers] == [*HASHES, None]
    assert answers[-1] == NotFound(100, 1)
    assert node.posts == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda members: members[1:],
        lambda members: [{"id": members[0]["id"], "error": {"code": -32001}}, *members[1:]],
        lambda members: [{"id": members[0]["id"], "error": {"code": -32603}}, *members[1:]],
        lambda members: [{"id": members[0]["id"]}, *members[1:]],
        lambda members: [{"id": members[0]["id"], "result": 5}, *members[1:]],
        lambda members: [{"id": members[0]["id"], "result": {"status": []}}, *members[1:]],
        lambda members: ["x", None, {"id": 99, "result": {}}, *members[1:]],
    ],
)
def test_client_batch_asks_only_the_spoilt_member_again(node: Node, spoil: Any) -> None:
    def spoilt(request: httpx.Request) -> httpx.Response:
        members = node(request).json()
        return httpx.Response(200, json=spoil(members) if node.posts == 1 else members)

    client = client_of(spoilt, attempts=2)
    answers = batch(client, HASHES)
    assert [getattr(answer, "tx_hash", None) for answer in answers] == HASHES
    assert [params["hash"] for _, params in node.calls] == [*HASHES, HASHES[0]]
    assert client.breakers["getTransaction"].snapshot().failures == 0


def test_client_batch_keeps_what_was_answered_before_it_fails(node: Node) -> None:
    node.before = lambda number: httpx.Response(503) if number in (2, 3) else None

    def cut(request: httpx.Request) -> httpx.Response:
        answer = node(request)
        return answer if node.posts > 1 else httpx.Response(200, json=answer.json()[:2])

    client = client_of(cut)
    answers: dict[str, Any] = {}
    with pytest.raises(RpcUnavailableError):
        client.get_transaction_batch(HASHES, answers)
    assert list(answers) == HASHES[:2]
    client.get_transaction_batch(HASHES, answers)
    assert list(answers) == HASHES
    assert len(node.calls) == 5 + 3


def test_client_batch_of_unavailable_members_counts_for_the_breaker(node: Node) -> None:
    def refusing(request: httpx.Request) -> httpx.Response:
        calls = json.loads(request.content)
        if not isinstance(calls, list):
            return httpx.Response(503)
        error = {"code": -32098, "message": "queue"}
        return httpx.Response(200, json=[{"id": call["id"], "error": error} for call in calls])

    client = client_of(refusing)
    with pytest.raises(RpcUnavailableError, match="503"):
        batch(client, HASHES)
    assert client.breakers["getTransaction"].snapshot().failures == 2
    assert client.batches.accepted


def test_client_batch_ends_when_another_thread_finds_out_that_none_is_taken(node: Node) -> None:
    def refusing(request: httpx.Request) -> httpx.Response:
        if isinstance(json.loads(request.content), list):
            node.posts += 1
            return httpx.Response(500)
        return node(request)

    def found_out(seconds: float) -> None:
        client.batches._refused_until = math.inf

    client = client_of(refusing, attempts=5, sleep=found_out)
    assert len(batch(client, HASHES)) == 5
    assert node.posts == 1 + 5


def test_client_batch_that_fails_after_one_was_answered_is_no_refusal(node: Node) -> None:
    client = client_of(node)
    batch(client, HASHES[:2])
    node.before = lambda number: httpx.Response(500) if number == 2 else None
    assert len(batch(client, HASHES[2:])) == 3
    assert client.batches.accepted
    assert node.posts == 5


def test_client_batch_too_large_is_asked_one_by_one(node: Node) -> None:
    client = client_of(node, http=HttpSettings(max_response_bytes=900))
    assert len(batch(client, HASHES)) == 5
    assert node.posts == 6
    assert client.batches.accepted


def test_client_batch_bad_hash_fails_after_the_others_are_kept(node: Node) -> None:
    error = {"code": -32602, "message": "unexpected hash"}

    def handle(request: httpx.Request) -> httpx.Response:
        asked, answer = json.loads(request.content), node(request).json()
        if isinstance(answer, list):
            return httpx.Response(200, json=[{"id": answer[0]["id"], "error": error}, *answer[1:]])
        return httpx.Response(200, json={"id": asked["id"], "error": error})

    answers: dict[str, Any] = {}
    with pytest.raises(RpcRequestError, match="unexpected hash"):
        client_of(handle).get_transaction_batch(HASHES, answers)
    assert list(answers) == HASHES[1:]


def test_client_batch_members_of_other_transactions_are_not_taken(node: Node) -> None:
    def swapped(request: httpx.Request) -> httpx.Response:
        members = node(request).json()
        if isinstance(members, list):
            one, other = members[:2]
            one["result"], other["result"] = other["result"], one["result"]
        return httpx.Response(200, json=members)

    answers = batch(client_of(swapped), HASHES)
    assert [getattr(answer, "tx_hash", None) for answer in answers] == HASHES
    assert node.posts == 1 + 2


def test_client_answer_too_large_is_raised() -> None:
    with pytest.raises(AnswerTooLargeError) as caught:
        client_of(Node(), http=HttpSettings(max_response_bytes=10)).get_health()
    assert pickle.loads(pickle.dumps(caught.value)).limit_bytes == 10


def test_client_events_page_is_asked_as_on_the_wire() -> None:
    node = Node()
    node.events = [event(Position(10, 1, 0, 0))]
    page = client_of(node).get_events(10, 12, limit=50)
    assert node.calls == [
        ("getEvents", {"startLedger": 10, "endLedger": 12, "pagination": {"limit": 50}})
    ]
    assert len(page.items or ()) == 1
    assert (page.latest_ledger, page.oldest_ledger) == (100, 1)
