"""Read a ContractEvent as slices of its bytes, or skip it.

Source: Stellar-contract.x, Stellar-ledger.x.
"""

from struct import Struct
from typing import NamedTuple

from sorobanflow.decode.composites import array
from sorobanflow.decode.reader import count_items, flag
from sorobanflow.decode.scval import skip_value, skip_values
from sorobanflow.decode.straight import ByHand

SYSTEM, CONTRACT, DIAGNOSTIC = 0, 1, 2

_TWO_NUMBERS = Struct(">II").unpack_from


class ContractEvent(NamedTuple):
    """An event; topics and value are SCVals, as XDR."""

    type: int  # SYSTEM, CONTRACT or DIAGNOSTIC
    contract: bytes  # the hash of its contract; empty if there is none
    topics: list[bytes]
    value: bytes


def event_head(data: bytes, at: int) -> tuple[int, int, int]:
    """Read a ContractEvent's type, the number of its topics, and where they begin."""
    extension, has_contract = _TWO_NUMBERS(data, at)
    if extension or has_contract > 1:
        raise ValueError(f"ContractEvent has no extension {extension} with flag {has_contract}")
    at += 40 if has_contract else 8
    kind, version = _TWO_NUMBERS(data, at)
    if kind > DIAGNOSTIC or version != 0:
        raise ValueError(f"ContractEvent has no type {kind} with body {version}")
    return kind, count_items(data, at + 8), at + 12


def read_event(data: bytes, at: int) -> tuple[ContractEvent, int]:
    """Read a ContractEvent."""
    kind, topics, end = event_head(data, at)
    contract = data[at + 8 : at + 40] if flag(data, at + 4) else b""
    values = []
    for _ in range(topics + 1):
        start, end = end, skip_value(data, end)
        values.append(data[start:end])
    value = values.pop()
    return ContractEvent(kind, contract, values, value), end


def skip_event(data: bytes, at: int) -> int:
    """Skip a ContractEvent."""
    _, topics, at = event_head(data, at)
    return skip_values(data, at, topics + 1)


def _read_diagnostic_event(data: bytes, at: int) -> tuple[ContractEvent, int]:
    flag(data, at)  # whether the call succeeded
    return read_event(data, at + 4)


def _skip_diagnostic_event(data: bytes, at: int) -> int:
    flag(data, at)
    return skip_event(data, at + 4)


EVENTS = array(ByHand(read_event, skip_event))
#: DiagnosticEvents are not on the chain: they are skipped unless they are asked for.
DIAGNOSTIC_EVENTS = array(ByHand(_read_diagnostic_event, _skip_diagnostic_event))
