"""Apply faults to a whole HTTP reply; the kinds are in `faults`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.reply import Reply
from sorobanflow.toid import TxPosition

HTML = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
BATCHES_REFUSED = (
    b'{"jsonrpc":"2.0","id":null,'
    b'"error":{"code":-32600,"message":"batch requests are not supported"}}'
)


def change_reply(fault: Fault, reply: Reply) -> Reply:
    """Return the reply after the fault."""
    return _CHANGES[fault.kind](fault, reply)


def _status(fault: Fault, _: Reply) -> Reply:
    headers = () if fault.amount is None else (("Retry-After", f"{fault.amount:g}"),)
    return Reply(fault.code, b"upstream says no", "text/plain", headers)


def _truncate(_: Fault, reply: Reply) -> Reply:
    return reply._replace(send_bytes=len(reply.body) // 2)


def _pad(fault: Fault, reply: Reply) -> Reply:
    return reply._replace(body=reply.body + b" " * (fault.number * 2**20))


def _bound(fault: Fault, reply: Reply) -> Reply:
    if not reply.body or reply.content_type != "application/json":
        return reply
    answer = msgspec.json.decode(reply.body)
    if isinstance(answer, list):
        answer = [*_first(answer, fault.number)]
    elif page := answer.get("result"):
        answer = {**answer, "result": _bound_page(page, fault.number)}
    return reply._replace(body=msgspec.json.encode(answer))


def _bound_page(page: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    for name in ("events", "transactions", "ledgers"):
        items = page.get(name)
        if isinstance(items, list) and len(kept := [*_first(items, max_bytes)]) < len(items):
            return {**page, name: kept, "cursor": _cursor_of(kept[-1])}
    return page


def _first(items: Iterable[Any], max_bytes: int) -> Iterator[Any]:
    size = 0
    for number, item in enumerate(items):
        size += len(msgspec.json.encode(item))
        if number and size > max_bytes:
            return
        yield item


def _cursor_of(item: dict[str, Any]) -> str:
    if "sequence" in item:
        return str(item["sequence"])
    id_: str | None = item.get("id")
    return id_ or TxPosition(item["ledger"], item["applicationOrder"]).cursor


def _shuffle(_: Fault, reply: Reply) -> Reply:
    return reply._replace(body=msgspec.json.encode(_members(reply)[::-1]))


def _partial(fault: Fault, reply: Reply) -> Reply:
    return reply._replace(body=msgspec.json.encode(_members(reply)[: fault.number]))


def _members(reply: Reply) -> list[Any]:
    return msgspec.json.decode(reply.body or b"[]", type=list[msgspec.Raw])


_CHANGES: Mapping[str, Callable[[Fault, Reply], Reply]] = {
    "status": _status,
    "html": lambda fault, _: Reply(fault.code, HTML, "text/html"),
    "truncate": _truncate,
    "drop": lambda _, reply: reply._replace(dropped=True),
    "slow": lambda fault, reply: reply._replace(delay_s=fault.amount or 0.0),
    "pad": _pad,
    "bound": _bound,
    "refuse_batches": lambda _, reply: reply._replace(body=BATCHES_REFUSED),
    "shuffle": _shuffle,
    "partial": _partial,
}
