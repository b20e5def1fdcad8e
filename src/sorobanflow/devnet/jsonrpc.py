"""JSON-RPC 2.0 as the node speaks it: single calls, batches, notifications.

Answers come in the order of the requests, after those of invalid requests. Calls
are counted and get their faults here. `node` runs the methods, `server` does HTTP.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from sorobanflow.devnet.faults import BATCH, Fault, FaultSchedule
from sorobanflow.devnet.params import BadParams
from sorobanflow.devnet.reply import Reply
from sorobanflow.devnet.reply_faults import change_reply

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL = -32600, -32601, -32602, -32603

Call = Callable[[str, object, Sequence[Fault]], object]

_Answer = dict[str, Any]


class RpcError(Exception):
    """An error that is sent to the caller, with HTTP status 200.

    Args:
        code: JSON-RPC error code.
        message: Its text.
        data: The node's additional data; None: none.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    @property
    def member(self) -> dict[str, Any]:
        """The member `error` of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return error if self.data is None else {**error, "data": self.data}


class Dispatcher:
    """Turns a request's body into a reply.

    Args:
        call: Runs a method with its name, parameters and faults; raises
            RpcError or BadParams.
        schedule: The faults, by method and number of the call.
    """

    def __init__(self, call: Call, schedule: FaultSchedule) -> None:
        self._call = call
        self._schedule = schedule

    def answer(self, body: bytes) -> Reply:
        """Answer one HTTP request."""
        try:
            request = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return Reply(500, b"[-32700] invalid request value", "text/plain")
        met: list[Fault] = []
        if isinstance(request, list):
            reply = self._answer_batch(request, met)
        else:
            answer = self._answer_member(_read(request), met)
            reply = Reply(204) if answer is None else _json(answer)
        for fault in met:
            reply = change_reply(fault, reply)
        return reply

    def _answer_batch(self, members: list[object], met: list[Fault]) -> Reply:
        met += self._schedule.next_call(BATCH)
        # The sort is stable: invalid requests first, the others in their order.
        requests = sorted((_read(member) for member in members), key=_is_valid)
        answers = [self._answer_member(request, met) for request in requests]
        given = [answer for answer in answers if answer is not None]
        return _json(given) if given else Reply(204)

    def _answer_member(self, request: "_Request | RpcError", met: list[Fault]) -> _Answer | None:
        if isinstance(request, RpcError):
            return _failure(None, request)
        faults = self._schedule.next_call(request.method)
        met += [fault for fault in faults if fault.changes_reply]
        answer = self._run(request, [fault for fault in faults if not fault.changes_reply])
        return None if request.id is None else answer

    def _run(self, request: "_Request", faults: Sequence[Fault]) -> _Answer:
        try:
            result = self._call(request.method, request.params, faults)
        except BadParams as error:
            text = str(error)
            return _failure(request.id, RpcError(INVALID_PARAMS, "invalid parameters", text))
        except RpcError as error:
            return _failure(request.id, error)
        return {"jsonrpc": "2.0", "id": request.id, "result": result}


class _Request(NamedTuple):
    method: str
    params: dict[str, object] | list[object] | None
    id: str | int | float | None


def _read(member: object) -> _Request | RpcError:
    if not isinstance(member, dict):
        return RpcError(INVALID_REQUEST, "request is not a JSON object")
    method, params, id_ = member.get("method"), member.get("params"), member.get("id")
    if member.get("jsonrpc") != "2.0":
        return RpcError(INVALID_REQUEST, "invalid version marker")
    if not isinstance(id_, str | int | float | None) or isinstance(id_, bool):
        return RpcError(INVALID_REQUEST, "invalid request ID")
    if not isinstance(method, str) or not method:
        return RpcError(INVALID_REQUEST, "empty method name")
    if not isinstance(params, dict | list | None):
        return RpcError(INVALID_REQUEST, "parameters must be array or object")
    return _Request(method, params, id_)


def _is_valid(request: _Request | RpcError) -> bool:
    return isinstance(request, _Request)


def _failure(id_: str | float | None, error: RpcError) -> _Answer:
    return {"jsonrpc": "2.0", "id": id_, "error": error.member}


def _json(answer: object) -> Reply:
    return Reply(200, msgspec.json.encode(answer))
