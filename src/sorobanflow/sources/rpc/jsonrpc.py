"""JSON-RPC 2.0 in and out: requests as bytes, answers and faults as our types.

Stands between the client, which knows methods, and the transport, which knows
bytes. Invariant: a body that is no JSON is the endpoint's fault (a gateway's
page, a cut answer) and can be asked again; JSON of another shape than promised
is a protocol error. Source: jrpc2 and the handlers of stellar-rpc v28.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from sorobanflow.errors import (
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcInternalError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.sources.rpc.wire import Reply, RpcFault

T = TypeVar("T")
Clean = Callable[[str], str]

# Time limit and full queue: the endpoint is overloaded, and it counts for the breaker.
_TIMEOUT = -32001
_UNAVAILABLE = -32098
# Handler panic, internal, deadline exceeded, cancelled: this call failed, the node answered.
_INTERNAL = (-32003, -32603, -32096, -32097)
_OUT_OF_RANGE = (-32600, -32602)

_RANGE = re.compile(
    r"ledger range: (\d{1,10}) - (\d{1,10})"
    r"|oldest ledger: (\d{1,10}) and the latest ledger: (\d{1,10})"
)
_PAGE_LIMIT = re.compile(r"limit must not exceed (\d{1,9})")
_NO_LEDGER = re.compile(r"does not contain metadata for ledger: (\d{1,10})")

_replies = msgspec.json.Decoder(Reply)


def encode_call(request_id: int, method: str, params: Mapping[str, Any] | None) -> bytes:
    """Write one call; without params where there are none, as old nodes refuse `{}`."""
    return msgspec.json.encode(_call(request_id, method, params))


def encode_batch(method: str, params_by_id: Mapping[int, Mapping[str, Any]]) -> bytes:
    """Write calls of one method as one batch."""
    return msgspec.json.encode(
        [_call(request_id, method, params) for request_id, params in params_by_id.items()]
    )


def decode_as(method: str, data: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """Read JSON as the decoder's type.

    Raises:
        RpcUnavailableError: the data is not JSON.
        RpcProtocolError: it is JSON of another shape, or nested too deeply.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        if is_json(data):
            raise RpcProtocolError(f"{method}: the answer's shape is wrong: {error}") from None
        raise RpcUnavailableError(f"{method}: the answer is not whole: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RpcUnavailableError(f"{method}: the answer is not JSON: {error}") from None
    except RecursionError:
        raise RpcProtocolError(f"{method}: the answer is nested too deeply") from None


def decode_reply(method: str, body: bytes, request_id: int) -> Reply:
    """Read the answer to one call.

    Raises:
        RpcProtocolError: it answers another call, or says nothing.
    """
    reply = decode_as(method, body, _replies)
    # A node that could not read the request answers with an error and no id.
    if reply.id != request_id and not (reply.id is None and reply.error):
        raise RpcProtocolError(f"{method}: the answer has another id than the request")
    if not says_something(reply):
        raise RpcProtocolError(f"{method}: the answer has neither result nor error")
    return reply


def says_something(reply: Reply) -> bool:
    """Whether the answer has a result or an error."""
    return reply.error is not None or bytes(reply.result) not in (b"", b"null")


def is_json(data: bytes | msgspec.Raw) -> bool:
    """Whether the data is JSON of any shape."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def error_of(method: str, fault: RpcFault, ledger: int | None, clean: Clean) -> SorobanflowError:
    """Make our error of a node's; `ledger` is the one that the request starts at."""
    text = f"{fault.message}: {data}" if (data := _data_text(fault)) else fault.message
    bounds = _RANGE.search(text) if fault.code in _OUT_OF_RANGE else None
    if page_limit(text) is not None:
        return RpcRequestError(method, fault.code, clean(text))
    if bounds is not None and ledger is not None:
        oldest, latest = (int(number) for number in bounds.groups() if number)
        return range_error(method, ledger, oldest, latest)
    if fault.code == _TIMEOUT:
        return RpcTimeoutError(f"{method}: {clean(text)} ({fault.code})")
    if fault.code == _UNAVAILABLE:
        return RpcUnavailableError(f"{method}: {clean(text)} ({fault.code})")
    if fault.code in _INTERNAL:
        return RpcInternalError(f"{method}: {clean(text)} ({fault.code})")
    return RpcRequestError(method, fault.code, clean(text))


def range_error(method: str, ledger: int, oldest: int, latest: int) -> SorobanflowError:
    """Say what it means that a node with these bounds refuses a ledger."""
    if ledger > latest:
        return NodeBehindError(ledger, latest)
    if ledger < oldest:
        return LedgerOutsideRetentionError(ledger, oldest)
    # Never a gap by contradiction: nodes behind a load balancer differ in what they have.
    return RpcInternalError(
        f"{method}: ledger {ledger} was refused by a node that says it has {oldest}-{latest}"
    )


def page_limit(text: str) -> int | None:
    """Read the largest page that the endpoint allows from its refusal, if it is one."""
    found = _PAGE_LIMIT.search(text)
    return int(found[1]) if found else None


def ledger_without_metadata(text: str) -> int | None:
    """Read which ledger getTransactions does not have from its refusal, if it is one."""
    found = _NO_LEDGER.search(text)
    return int(found[1]) if found else None


def decode_members(method: str, body: bytes) -> Sequence[msgspec.Raw] | Reply:
    """Read the answer to a batch: its members undecoded, or one answer for the whole."""
    if body.lstrip()[:1] == b"[":
        return decode_as(method, body, _arrays)
    return decode_as(method, body, _replies)


def decode_member(raw: msgspec.Raw) -> Reply | None:
    """Read one member of a batch; None if it is no JSON-RPC answer."""
    try:
        reply = _replies.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return reply if says_something(reply) else None


_arrays = msgspec.json.Decoder(list[msgspec.Raw])


def _call(request_id: int, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return {**call, "params": params} if params else call


def _data_text(fault: RpcFault) -> str:
    try:
        return msgspec.json.decode(fault.data, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
