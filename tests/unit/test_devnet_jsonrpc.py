"""JSON-RPC: batches, notifications, what is no request; and faults within a batch."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from sorobanflow.devnet.faults import Fault, FaultSchedule
from sorobanflow.devnet.jsonrpc import METHOD_NOT_FOUND, Dispatcher, RpcError
from sorobanflow.devnet.params import Params


def echo(method: str, params: object, faults: Sequence[Fault]) -> object:
    if method == "unknown":
        raise RpcError(METHOD_NOT_FOUND, "method not found", method)
    Params(params)
    return " ".join(fault.kind for fault in faults) or method


def post(body: object, *faults: Fault) -> Any:
    reply = Dispatcher(echo, FaultSchedule(faults)).answer(json.dumps(body).encode())
    return json.loads(reply.body) if reply.body else reply.status


def request(id_: object = 1, method: str = "a", **more: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, **more}


def result(id_: object, value: object = "a") -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id_, "result": value}


def test_call_is_answered() -> None:
    assert post(request("x", params={})) == result("x")
    assert post(request(2, params=None)) == result(2)


def test_unknown_method_names_itself() -> None:
    assert post(request(method="unknown"))["error"] == {
        "code": -32601,
        "message": "method not found",
        "data": "unknown",
    }


def test_bad_params_say_why_in_data() -> None:
    error = post(request(params=[1]))["error"]
    assert (error["code"], error["message"]) == (-32602, "invalid parameters")
    assert "cannot unmarshal array" in error["data"]


def test_batch_of_one_is_answered_with_an_array() -> None:
    assert post([request(5)]) == [result(5)]


def test_batch_gives_invalid_members_first() -> None:
    answers = post([request(1), 7, request(2), {"jsonrpc": "2.0", "id": 3}])
    assert [answer["id"] for answer in answers] == [None, None, 1, 2]
    assert [answer["error"]["code"] for answer in answers[:2]] == [-32600, -32600]


@pytest.mark.parametrize(
    "body", [[], {"jsonrpc": "2.0", "method": "a"}, [{"jsonrpc": "2.0", "method": "a"}]]
)
def test_nothing_to_answer_is_204(body: object) -> None:
    assert post(body) == 204


def test_no_json_is_500() -> None:
    reply = Dispatcher(echo, FaultSchedule()).answer(b"{")
    assert (reply.status, reply.body) == (500, b"[-32700] invalid request value")


@pytest.mark.parametrize(
    "member",
    [
        {"id": 1, "method": "a"},
        request(method=""),
        request(id_=[1]),
        request(params="x"),
    ],
)
def test_invalid_request(member: object) -> None:
    answer = post(member)
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)


def test_fault_of_one_call_leaves_the_rest_of_the_batch() -> None:
    fault = Fault("a", "not_found", range(2, 3))
    assert post([request(1), request(2), request(3)], fault) == [
        result(1),
        result(2, "not_found"),
        result(3),
    ]


def test_fault_of_the_reply_hits_the_whole_batch() -> None:
    fault = Fault("a", "status", range(2, 3), code=503)
    reply = Dispatcher(echo, FaultSchedule([fault])).answer(
        json.dumps([request(1), request(2)]).encode()
    )
    assert reply.status == 503


def test_refused_batch_is_one_error() -> None:
    answer = post([request(1), request(2)], Fault("batch", "refuse_batches"))
    assert answer["error"]["code"] == -32600


def test_call_meets_every_fault_that_fits() -> None:
    faults = Fault("a", "behind"), Fault("b", "missing"), Fault("*", "page"), Fault("a", "slow")
    assert post(request(), *faults) == result(1, "behind page")


def test_shuffled_batch_keeps_every_answer() -> None:
    answers = post([request(1), request(2), request(3)], Fault("batch", "shuffle"))
    assert answers == [result(3), result(2), result(1)]


def test_partial_batch_gives_the_first_answers() -> None:
    assert post([request(1), request(2)], Fault("batch", "partial", amount=1)) == [result(1)]
    assert post([request(1), request(2)], Fault("batch", "partial", amount=0)) == []


def test_calls_are_counted_by_method() -> None:
    schedule = FaultSchedule()
    dispatcher = Dispatcher(echo, schedule)
    dispatcher.answer(json.dumps([request(1), request(2, "b")]).encode())
    dispatcher.answer(json.dumps(request()).encode())
    assert schedule.calls == {"batch": 1, "a": 2, "b": 1}
