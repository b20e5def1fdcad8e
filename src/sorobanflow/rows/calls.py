"""Make the rows of contract calls from the diagnostic events of a transaction.

Nothing proves these events, and a node may leave some out. So every shape is accepted: an event
that fits nowhere is left out, and no call is an error. A call's parent is the innermost call that
is not over of the contract that the event names as the caller. A call is over when it or an outer
one returns, or an outer one calls again. A call that does not return ends with the error that its
contract reports; where an inner call has reported the same one, the outer one only repeats it.
Source: fn_call, fn_return, error and core_metrics of stellar-core's host.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.contract_events import DIAGNOSTIC, ContractEvent
from sorobanflow.decode.reader import Json
from sorobanflow.decode.scval import read_scval
from sorobanflow.decode.strkeys import encode_contract
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.rows.values import content, json_text

#: Calls of a transaction that are kept, figures of it, and bytes of an SCVal in one of them.
MAX_CALLS, MAX_METRICS, MAX_BYTES = 1000, 100, 65_536
_CONTRACT_ID_BYTES = 32


class ContractCallRow(NamedTuple):
    """A row of `contract_calls`; arguments, result and metrics are JSON text."""

    closed_at: datetime
    ledger: int
    application_order: int
    call_index: int
    depth: int
    parent_index: int | None
    returned: bool
    tx_hash: bytes
    contract_id: str | None
    function: str
    arguments: str | None
    result: str | None
    core_metrics: str | None


@dataclass
class _Call:
    contract: bytes
    function: str
    arguments: bytes
    depth: int
    parent: int | None
    result: bytes = b""  # empty: it did not return
    error: Json = None


def call_rows(row: TransactionRow, diagnostics: Sequence[ContractEvent]) -> list[ContractCallRow]:
    """Make the rows of a transaction's calls, in the order in which they began."""
    calls: list[_Call] = []
    metrics: dict[str, int] = {}
    running: list[int] = []  # the calls that are not over, outermost first
    reported: dict[str, int] = {}  # by error, the call that was the first to report it
    for event in diagnostics:
        name, topics = _topics(event)
        if name == "fn_call" and len(topics) == 2 and len(calls) < MAX_CALLS:
            _begin(calls, running, event, topics)
        elif name == "fn_return" and len(topics) == 1:
            _end(calls, running, event, content(topics[0], "symbol"))
        elif name == "error" and len(topics) == 1 and event.contract:
            _fail(calls, running, event.contract, topics[0], reported)
        elif name == "core_metrics" and len(topics) == 1 and len(metrics) < MAX_METRICS:
            metrics |= _figure(event, topics[0])
    return list(_rows(row, calls, metrics))


def _topics(event: ContractEvent) -> tuple[Json, list[Json]]:
    """Read the first topic's symbol, and the other topics; no contract can emit such events."""
    if event.type != DIAGNOSTIC or not 2 <= len(event.topics) <= 3:
        return None, []
    name, *topics = (_value(topic) for topic in event.topics)
    return content(name, "symbol"), topics


def _begin(
    calls: list[_Call], running: list[int], event: ContractEvent, topics: list[Json]
) -> None:
    called, function = content(topics[0], "bytes"), content(topics[1], "symbol")
    if function is None:
        return
    while running and (calls[running[-1]].contract != event.contract or not event.contract):
        running.pop()
    parent = running[-1] if running else None
    contract = bytes.fromhex(called or "")
    running.append(len(calls))
    calls.append(_Call(contract, function, event.value, len(running) - 1, parent))


def _end(calls: list[_Call], running: list[int], event: ContractEvent, function: Json) -> None:
    for place in reversed(range(len(running))):
        call = calls[running[place]]
        if (call.contract, call.function) == (event.contract, function):
            call.result = event.value
            del running[place:]
            return


def _fail(
    calls: list[_Call], running: list[int], contract: bytes, error: Json, reported: dict[str, int]
) -> None:
    """Note an error of the innermost call of a contract; the contract's own goes before others."""
    place = next((one for one in reversed(running) if calls[one].contract == contract), None)
    if place is None or content(error, "error") is None:
        return
    is_own = "contract" in (content(calls[place].error, "error") or ())
    if reported.setdefault(json_text(error), place) == place and not is_own:
        calls[place].error = error


def _figure(event: ContractEvent, topic: Json) -> dict[str, int]:
    name, value = content(topic, "symbol"), content(_value(event.value), "u64")
    return {} if name is None or value is None else {name: int(value)}


def _rows(
    row: TransactionRow, calls: list[_Call], metrics: dict[str, int]
) -> Iterator[ContractCallRow]:
    for index, call in enumerate(calls):
        is_id = len(call.contract) == _CONTRACT_ID_BYTES
        yield ContractCallRow(
            closed_at=row.closed_at,
            ledger=row.ledger,
            application_order=row.application_order,
            call_index=index,
            depth=call.depth,
            parent_index=call.parent,
            returned=bool(call.result),
            tx_hash=row.hash,
            contract_id=encode_contract(call.contract) if is_id else None,
            function=call.function,
            arguments=_text(_arguments(call.arguments)),
            result=_text(_value(call.result) if call.result else call.error),
            core_metrics=_text(metrics or None) if index == 0 else None,
        )


def _arguments(value: bytes) -> Json:
    """List the arguments: the event's data is the only one, a vec of several, or void."""
    data = _value(value)
    if data is None or content(data, "vec") is not None:
        return content(data, "vec")
    return [] if data == "void" else [data]


def _value(value: bytes) -> Json:
    """Read an SCVal; None if there is none, or it is too large to be kept."""
    return read_scval(value) if 0 < len(value) <= MAX_BYTES else None


def _text(value: Json) -> str | None:
    return None if value is None else json_text(value)
