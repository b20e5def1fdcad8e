"""JSON-RPC 2.0: requests to bytes, answers and their errors to our types.

Invariant: a body that is not JSON is a failure of the endpoint (a gateway's page, a cut
answer), and the call is tried again; JSON of another shape than promised is a protocol
error. Source: jrpc2 and the handlers of stellar-rpc v28.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from sorobanflow.errors import (
    EndpointError,
    RateLimitedError,
    RpcInternalError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.sources.rpc.proof import missing_ledger
from sorobanflow.sources.rpc.wire import Reply, RpcFault

T = TypeVar("T")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)
Clean = Callable[[str], str]

_KINDS: Mapping[int, type[EndpointError]] = {
    -32001: RpcTimeoutError,  # the node's time limit
    -32098: RpcUnavailableError,  # its queue is full
    -32003: RpcInternalError,  # its handler panicked
    -32603: RpcInternalError,
    -32096: RpcInternalError,  # deadline exceeded
    -32097: RpcInternalError,  # cancelled
}
_OUT_OF_RANGE = (-32600, -32602)
#: Providers say in these ways, with HTTP 200, that a limit on calls is reached.
_RATE_CODES = (429, -32005, -32007, -32029)
_RATE_TEXT = re.compile(r"rate.?limit|too many requests|request limit reached", re.IGNORECASE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_RANGE = re.compile(
    r"ledger range: (\d{1,10}) - (\d{1,10})"
    r"|oldest ledger: (\d{1,10}) and the latest ledger: (\d{1,10})"
)
_PAGE_LIMIT = re.compile(r"limit must not exceed (\d{1,9})")
_NO_LEDGER = re.compile(r"does not contain metadata for ledger: (\d{1,10})")

_NO_RESULT = msgspec.Raw(), msgspec.Raw(b"null")

_replies = msgspec.json.Decoder(Reply, strict=False)
_arrays = msgspec.json.Decoder(list[msgspec.Raw])


class Decoder(Protocol[AnswerT_co]):
    """Decodes JSON as its type; raises what msgspec raises."""

    def decode(self, data: bytes | msgspec.Raw, /) -> AnswerT_co:
        """Decode an answer."""


def encode_call(request_id: int, method: str, params: Mapping[str, Any] | None) -> bytes:
    """Write one call; without empty params, since old nodes refuse `{}`."""
    return msgspec.json.encode(_call(request_id, method, params))


def encode_batch(method: str, params_by_id: Mapping[int, Mapping[str, Any]]) -> bytes:
    """Write calls of one method as one batch."""
    return msgspec.json.encode(
        [_call(request_id, method, params) for request_id, params in params_by_id.items()]
    )


def decode_as(method: str, data: bytes | msgspec.Raw, decoder: Decoder[T]) -> T:
    """Read JSON as the decoder's type; see the module for its errors."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        if _is_json(data):
            raise RpcProtocolError(f"{method}: the answer has another shape: {error}") from None
        raise RpcUnavailableError(f"{method}: the answer is cut: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RpcUnavailableError(f"{method}: the answer is not JSON: {error}") from None
    except RecursionError:
        raise RpcProtocolError(f"{method}: the answer is nested too deeply") from None


def decode_reply(method: str, body: bytes, request_id: int) -> Reply:
    """Read the answer to one call; one to another call, or an empty one, is an error."""
    reply = decode_as(method, body.removeprefix(_BYTE_ORDER_MARK), _replies)
    # A node that could not read the request answers with an error and no id; some gateways
    # make strings of ids.
    if str(reply.id) != str(request_id) and not (reply.id is None and reply.error):
        raise RpcProtocolError(f"{method}: the answer has another id than the request")
    if not _has_content(reply):
        raise RpcProtocolError(f"{method}: the answer has neither result nor error")
    return reply


def error_of(
    method: str, fault: RpcFault | str, ledger: int | None, clean: Clean
) -> SorobanflowError:
    """Make our error of a node's error; the request starts at `ledger`."""
    fault = RpcFault(message=fault) if isinstance(fault, str) else fault
    text = f"{fault.message}: {data}" if (data := _data_text(fault)) else fault.message
    bounds = _RANGE.search(text) if fault.code in _OUT_OF_RANGE else None
    if page_limit(text) is not None:
        return RpcRequestError(method, fault.code, clean(text))
    if bounds is not None and ledger is not None:
        oldest, latest = (int(number) for number in bounds.groups() if number)
        return range_error(method, ledger, oldest, latest)
    if fault.code in _RATE_CODES or _RATE_TEXT.search(text):
        return RateLimitedError(f"{method}: {clean(text)} ({fault.code})")
    if fault.code in _KINDS:
        return _KINDS[fault.code](f"{method}: {clean(text)} ({fault.code})")
    return RpcRequestError(method, fault.code, clean(text))


def range_error(method: str, ledger: int, oldest: int, latest: int) -> SorobanflowError:
    """Make the error of a node that refuses a ledger and states these bounds."""
    # If it has the ledger, it is no gap: the nodes of a load balancer have different ledgers.
    return missing_ledger(ledger, oldest, latest) or RpcInternalError(
        f"{method}: ledger {ledger} was refused by a node that says it has {oldest}-{latest}"
    )


def page_limit(text: str) -> int | None:
    """Read the max items of a page from a refusal that states them."""
    found = _PAGE_LIMIT.search(text)
    return int(found[1]) if found else None


def ledger_without_metadata(text: str) -> int | None:
    """Read the ledger that getTransactions does not have from a refusal that states it."""
    found = _NO_LEDGER.search(text)
    return int(found[1]) if found else None


def decode_members(method: str, body: bytes) -> Sequence[msgspec.Raw] | Reply:
    """Read the answer to a batch: its members undecoded, or one answer to the whole batch."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if body.lstrip()[:1] == b"[":
        return decode_as(method, body, _arrays)
    return decode_as(method, body, _replies)


def decode_member(raw: msgspec.Raw) -> Reply | None:
    """Read one member of a batch; None if it is not a JSON-RPC answer."""
    try:
        reply = _replies.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return reply if _has_content(reply) else None


def _call(request_id: int, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return call | {"params": params} if params else call


def _has_content(reply: Reply) -> bool:
    return reply.error is not None or reply.result not in _NO_RESULT


def _is_json(data: bytes | msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _data_text(fault: RpcFault) -> str:
    try:
        return msgspec.json.decode(fault.data, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
