"""Read the events and the return value in a TransactionMeta, as slices of its bytes.

`metas` reads what a meta states about ledger entries; both walk the whole value.
Source: Stellar-ledger.x.
"""

from typing import NamedTuple

from sorobanflow.decode.changes import OP_AFTER
from sorobanflow.decode.contract_events import (
    DIAGNOSTIC_EVENTS,
    EVENTS,
    ContractEvent,
    read_event,
)
from sorobanflow.decode.entry_changes import skip_changes
from sorobanflow.decode.metas import RETURN_VALUE, SOROBAN_FEES, STAGE, STAGES
from sorobanflow.decode.reader import EXTENSION_POINT, count_items, flag, no_arm, uint32
from sorobanflow.decode.scval import SC_VAL

BEFORE_ALL, AFTER_TX, AFTER_ALL = STAGES


class MetaEvents(NamedTuple):
    """The events of a meta, in its order; diagnostic ones are left out."""

    operations: list[list[ContractEvent]]  # by operation; of a V3, all of a contract call
    staged: dict[str, list[ContractEvent]]  # of the transaction itself, by stage; only of a V4
    #: The InvokeHostFunctionSuccessPreImage of its contract call: return value and events. None
    #: if the meta states no return value, or has other operations beside the call.
    call: bytes | None


def read_meta_events(data: bytes, at: int) -> tuple[MetaEvents, int]:
    """Read a TransactionMeta of any version."""
    (version,) = uint32(data, at)
    at += 4
    if version <= 2:
        return _no_events(), _skip_operations(data, at, version)
    if version > 4:
        no_arm("TransactionMeta", version)
    at = EXTENSION_POINT.skip(data, at)
    return (_read_v3 if version == 3 else _read_v4)(data, at)


def _no_events() -> MetaEvents:
    return MetaEvents([], {}, None)


def _skip_operations(data: bytes, at: int, version: int) -> int:
    """Skip the changes before, of and after the operations of a V0 to V3."""
    if version >= 1:
        at = skip_changes(data, at)
    count = count_items(data, at, OP_AFTER - 1)
    at += 4
    for _ in range(count):
        at = skip_changes(data, at)
    return skip_changes(data, at) if version >= 2 else at


def _read_v3(data: bytes, at: int) -> tuple[MetaEvents, int]:
    at = _skip_operations(data, at, 3)
    if not flag(data, at):
        return _no_events(), at + 4
    events_at = SOROBAN_FEES.skip(data, at + 4)
    events, value_at = EVENTS.read(data, events_at)
    end = SC_VAL.skip(data, value_at)
    call = data[value_at:end] + data[events_at:value_at]
    meta = _no_events()._replace(operations=[events], call=call)
    return meta, DIAGNOSTIC_EVENTS.skip(data, end)


def _read_v4(data: bytes, at: int) -> tuple[MetaEvents, int]:
    at = skip_changes(data, at)
    count = count_items(data, at, OP_AFTER - 1)
    at += 4
    operations: list[list[ContractEvent]] = []
    events_xdr = b""
    for _ in range(count):
        events_at = skip_changes(data, EXTENSION_POINT.skip(data, at))
        events, at = EVENTS.read(data, events_at)
        operations.append(events)
        events_xdr = data[events_at:at]
    return_value, at = _read_return_value(data, skip_changes(data, at))
    call = return_value + events_xdr if return_value and count == 1 else None
    staged, at = _read_staged(data, at)
    return MetaEvents(operations, staged, call), DIAGNOSTIC_EVENTS.skip(data, at)


def _read_return_value(data: bytes, at: int) -> tuple[bytes, int]:
    """Read the return value of a SorobanTransactionMetaV2; empty if there is none."""
    if not flag(data, at):
        return b"", at + 4
    at = SOROBAN_FEES.skip(data, at + 4)
    end = RETURN_VALUE.skip(data, at)
    return data[at + 4 : end], end


def _read_staged(data: bytes, at: int) -> tuple[dict[str, list[ContractEvent]], int]:
    """Read TransactionEvents by their stage."""
    count = count_items(data, at)
    at += 4
    staged: dict[str, list[ContractEvent]] = {}
    for _ in range(count):
        stage, at = STAGE.read(data, at)
        event, at = read_event(data, at)
        staged.setdefault(stage, []).append(event)
    return staged, at
