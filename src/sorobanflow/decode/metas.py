"""Read what a TransactionMeta states about ledger entries, fees and refunds, and its events.

Invariant: the whole value is read or skipped, so bytes that are missing, left over or of an
unknown arm are an error wherever they are. Source: Stellar-ledger.x.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from sorobanflow.decode.changes import OP_AFTER, OP_BEFORE, Change, Meta, Refund
from sorobanflow.decode.composites import optional, struct, union
from sorobanflow.decode.contract_events import (
    CONTRACT,
    DIAGNOSTIC_EVENTS,
    EVENTS,
    ContractEvent,
    event_head,
    skip_event,
)
from sorobanflow.decode.entry_changes import balance_gain, read_changes, skip_changes
from sorobanflow.decode.meta_events import AFTER_ALL, STAGE, EventCollector, MetaEvents
from sorobanflow.decode.reader import (
    EXTENSION_POINT,
    INT64,
    Json,
    count_items,
    flag,
    no_arm,
    uint32,
    whole,
)
from sorobanflow.decode.scval import SC_VAL

Diagnostics: TypeAlias = Callable[[bytes, int], tuple[Sequence[ContractEvent], int]]
Changes: TypeAlias = Callable[[bytes, int, int, list[Change]], int]

_NO_EVENTS: Sequence[ContractEvent] = ()

_FEES_V1 = struct(
    ext=EXTENSION_POINT,
    total_non_refundable_resource_fee_charged=INT64,
    total_refundable_resource_fee_charged=INT64,
    rent_fee_charged=INT64,
)
_SOROBAN_FEES = union("SorobanTransactionMetaExt", {0: ("v0", None), 1: ("v1", _FEES_V1)})
_RETURN_VALUE = optional(SC_VAL)


class _Walk(NamedTuple):
    """What is done with the parts of a meta."""

    diagnostics: Diagnostics
    events: EventCollector | None = None  # None: they are skipped
    changes: Changes = read_changes

    def read(self, data: bytes, at: int) -> tuple[Meta, int]:
        (version,) = uint32(data, at)
        at += 4
        if version > 4:
            no_arm("TransactionMeta", version)
        if version >= 3:
            at = EXTENSION_POINT.skip(data, at)
        meta = Meta(None, [], [])
        after_at = self._operations(data, at, version, meta.changes)
        if version < 2:
            return meta, after_at
        before = len(meta.changes)
        at = self.changes(data, after_at, OP_AFTER, meta.changes)
        if version == 2:
            return meta, at
        refund = balance_gain(data, after_at, meta.changes[before:])
        fees, value, has_diagnostics, at = self._soroban(data, at, version)
        has_events, events = True, _NO_EVENTS
        if version == 4:
            has_events, at = self._staged_events(data, at, meta.refunds)
        if has_diagnostics:
            events, at = self.diagnostics(data, at)
        return Meta(fees, meta.changes, meta.refunds, has_events, refund, value, events), at

    def _operations(self, data: bytes, at: int, version: int, changes: list[Change]) -> int:
        """Read the changes before and of the operations, and the events of a V4's."""
        if version >= 1:
            at = self.changes(data, at, OP_BEFORE, changes)
        count = count_items(data, at, OP_AFTER - 1)
        at += 4
        for number in range(1, count + 1):
            if version == 4:
                at = EXTENSION_POINT.skip(data, at)
            at = self.changes(data, at, number, changes)
            if version == 4:
                at = self._events(data, at)
        return at

    def _events(self, data: bytes, at: int) -> int:
        """Read the events of an operation."""
        if self.events is None:
            return EVENTS.skip(data, at)
        return self.events.add_operation(data, at)

    def _soroban(self, data: bytes, at: int, version: int) -> tuple[Json, Json, bool, int]:
        """Read fees and return value of a SorobanTransactionMeta or its V2, if there is one.

        Tells whether diagnostic events follow: of a V3 at once, of a V4 after the transaction's.
        """
        if not flag(data, at):
            return None, None, version == 4, at + 4
        fees, at = _SOROBAN_FEES.read(data, at + 4)
        if version == 4:
            value_at = at + 4
            value, at = _RETURN_VALUE.read(data, at)
        else:
            value_at = self._events(data, at)
            value, at = SC_VAL.read(data, value_at)
        if self.events is not None:
            self.events.add_return_value(data[value_at:at])
        return fees, value, True, at

    def _staged_events(self, data: bytes, at: int, refunds: list[Refund]) -> tuple[bool, int]:
        """Read the refunds among the TransactionEvents, all of fees; tell if there are any."""
        count = count_items(data, at)
        at += 4
        for _ in range(count):
            stage, body = STAGE.read(data, at)
            if self.events is None:
                at = skip_event(data, body)
            else:
                at = self.events.add_staged(stage, data, body)
            refund = _refund(data, body) if stage == AFTER_ALL else None
            if refund is not None:
                refunds.append(refund)
        return count > 0, at


def _skip_diagnostics(data: bytes, at: int) -> tuple[Sequence[ContractEvent], int]:
    return _NO_EVENTS, DIAGNOSTIC_EVENTS.skip(data, at)


read_meta = whole("TransactionMeta", _Walk(_skip_diagnostics).read)
#: The same with its `diagnostics`.
read_meta_with_diagnostics = whole("TransactionMeta", _Walk(DIAGNOSTIC_EVENTS.read).read)


def read_meta_and_events(data: bytes, at: int) -> tuple[tuple[Meta, MetaEvents], int]:
    """Read a TransactionMeta among other values, with its events."""
    events = EventCollector()
    meta, at = _Walk(_skip_diagnostics, events).read(data, at)
    return (meta, events.found()), at


def read_events_alone(data: bytes, at: int) -> tuple[tuple[None, MetaEvents], int]:
    """Read the events of a TransactionMeta among other values, and skip the changes."""
    events = EventCollector()
    _, at = _Walk(_skip_diagnostics, events, _skip_changes).read(data, at)
    return (None, events.found()), at


def _skip_changes(data: bytes, at: int, _: int, __: list[Change]) -> int:
    return skip_changes(data, at)


def _refund(data: bytes, at: int) -> Refund | None:
    """Read a refund: a contract's event `["fee", account]` of a negative i128; else None."""
    kind, topics, at = event_head(data, at)
    if kind != CONTRACT or topics != 2:
        return None
    name, at = SC_VAL.read(data, at)
    payer, at = SC_VAL.read(data, at)
    if name != {"symbol": "fee"} or not isinstance(payer, dict):
        return None
    account = payer.get("address", "")
    value, at = SC_VAL.read(data, at)
    stroops = -int(value["i128"]) if isinstance(value, dict) and "i128" in value else 0
    return Refund(account, stroops) if account.startswith("G") and stroops > 0 else None
