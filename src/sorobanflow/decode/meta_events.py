"""The events and the return value in a TransactionMeta, as slices of its bytes.

`metas` walks a meta and hands its parts to an `EventCollector`. Source: Stellar-ledger.x.
"""

from typing import NamedTuple

from sorobanflow.decode.contract_events import EVENTS, ContractEvent, read_event
from sorobanflow.decode.reader import enum

BEFORE_ALL, AFTER_TX, AFTER_ALL = STAGES = ("before_all_txs", "after_tx", "after_all_txs")
STAGE = enum("TransactionEventStage", STAGES)


class MetaEvents(NamedTuple):
    """The events of a meta, in its order; diagnostic ones are left out."""

    operations: list[list[ContractEvent]]  # by operation; of a V3, all of a contract call
    staged: dict[str, list[ContractEvent]]  # of the transaction itself, by stage; only of a V4
    #: The InvokeHostFunctionSuccessPreImage of its contract call: return value and events. None
    #: if the meta states no return value, or has other operations beside the call.
    call: bytes | None


class EventCollector:
    """Collects what `metas` comes by in one meta."""

    def __init__(self) -> None:
        self._operations: list[list[ContractEvent]] = []
        self._staged: dict[str, list[ContractEvent]] = {}
        self._last_xdr = b""  # the events of the last operation
        self._return_value = b""

    def add_operation(self, data: bytes, at: int) -> int:
        """Read the events of the next operation; give the position after them."""
        events, end = EVENTS.read(data, at)
        self._operations.append(events)
        self._last_xdr = data[at:end]
        return end

    def add_staged(self, stage: str, data: bytes, at: int) -> int:
        """Read an event of the transaction itself; give the position after it."""
        event, end = read_event(data, at)
        self._staged.setdefault(stage, []).append(event)
        return end

    def add_return_value(self, xdr: bytes) -> None:
        """Add the SCVal that a contract call returned; empty if there is none."""
        self._return_value = xdr

    def found(self) -> MetaEvents:
        """Give what was collected."""
        is_call = self._return_value and len(self._operations) == 1
        call = self._return_value + self._last_xdr if is_call else None
        return MetaEvents(self._operations, self._staged, call)
