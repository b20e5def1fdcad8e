"""The events in a TransactionMeta, as slices of its XDR.

V4 holds events per operation and events of the transaction with their stage;
V3 holds one list of events, in the Soroban part; older metas hold none. Every
event keeps its own XDR, topics and data exactly as in the meta.
"""

from base64 import b64decode, b64encode
from functools import cached_property
from typing import NamedTuple

from sorobanflow.devnet import xdr_walk as walk
from sorobanflow.errors import DecodeError

BEFORE_ALL_TXS, AFTER_TX, AFTER_ALL_TXS = range(3)
SYSTEM, CONTRACT = 0, 1


class ContractEvent:
    """One ContractEvent.

    Args:
        xdr: The ContractEvent, binary.
    """

    def __init__(self, xdr: bytes) -> None:
        self.xdr = xdr

    @cached_property
    def _after_contract(self) -> int:
        return walk.optional(walk.HASH)(self.xdr, 4)

    @property
    def contract(self) -> bytes:
        """The contract's hash; empty if there is none."""
        return self.xdr[8 : self._after_contract]

    @property
    def type(self) -> int:
        """SYSTEM or CONTRACT (or diagnostic, which is in no stream)."""
        return walk.uint32(self.xdr, self._after_contract)

    @cached_property
    def _values(self) -> tuple[bytes, ...]:
        at = self._after_contract + 8  # after the type and the version of the body
        count = walk.uint32(self.xdr, at)
        at += 4
        values = []
        for _ in range(count + 1):
            end = walk.SC_VAL(self.xdr, at)
            values.append(self.xdr[at:end])
            at = end
        return tuple(values)

    @property
    def topics(self) -> tuple[bytes, ...]:
        """Each topic's SCVal, binary."""
        return self._values[:-1]

    @property
    def value(self) -> bytes:
        """The data's SCVal, binary."""
        return self._values[-1]


class StagedEvent(NamedTuple):
    """An event of the transaction itself, such as a fee."""

    stage: int
    event: ContractEvent
    xdr: bytes


class TransactionEvents(NamedTuple):
    """The events of a meta, in its order."""

    staged: tuple[StagedEvent, ...] = ()
    operations: tuple[tuple[ContractEvent, ...], ...] = ()
    diagnostics: tuple[bytes, ...] = ()

    @property
    def transaction_events_xdr(self) -> list[str]:
        """Each TransactionEvent, base64."""
        return [b64encode(staged.xdr).decode() for staged in self.staged]

    @property
    def contract_events_xdr(self) -> list[list[str]]:
        """Each operation's ContractEvents, base64."""
        return [[b64encode(event.xdr).decode() for event in events] for events in self.operations]

    @property
    def diagnostic_events_xdr(self) -> list[str]:
        """Each DiagnosticEvent, base64."""
        return [b64encode(xdr).decode() for xdr in self.diagnostics]


def read_meta(meta_xdr: str) -> TransactionEvents:
    """Read the events of a TransactionMeta, base64.

    Raises:
        DecodeError: the meta is malformed, or newer than version 4.
    """
    data = b64decode(meta_xdr)
    version = walk.uint32(data, 0)
    if version > 4:
        raise DecodeError(f"the TransactionMeta has version {version}, expected 0 to 4")
    if version < 3:
        return TransactionEvents()
    return (_read_v4 if version == 4 else _read_v3)(data)


def _read_v4(data: bytes) -> TransactionEvents:
    at = walk.CHANGES(data, 8)
    count = walk.uint32(data, at)
    at += 4
    operations = []
    for _ in range(count):
        at = walk.CHANGES(data, at + 4)
        events, at = walk.slices(data, at, walk.CONTRACT_EVENT)
        operations.append(_contract_events(events))
    at = walk.CHANGES(data, at)
    at = _SOROBAN_META_V2(data, at)
    staged, at = walk.slices(data, at, walk.TRANSACTION_EVENT)
    diagnostics, at = walk.slices(data, at, walk.DIAGNOSTIC_EVENT)
    _expect_end(data, at)
    return TransactionEvents(_staged_events(staged), tuple(operations), diagnostics)


def _read_v3(data: bytes) -> TransactionEvents:
    at = _BEFORE_SOROBAN_V3(data, 8)
    if not walk.uint32(data, at):
        _expect_end(data, at + 4)
        return TransactionEvents()
    at = walk.SOROBAN_META_EXT(data, at + 4)
    events, at = walk.slices(data, at, walk.CONTRACT_EVENT)
    diagnostics, at = walk.slices(data, walk.SC_VAL(data, at), walk.DIAGNOSTIC_EVENT)
    _expect_end(data, at)
    return TransactionEvents((), (_contract_events(events),), diagnostics)


_SOROBAN_META_V2 = walk.optional(walk.struct(walk.SOROBAN_META_EXT, walk.optional(walk.SC_VAL)))
_BEFORE_SOROBAN_V3 = walk.struct(walk.CHANGES, walk.array(walk.CHANGES), walk.CHANGES)


def _contract_events(slices: tuple[bytes, ...]) -> tuple[ContractEvent, ...]:
    return tuple(ContractEvent(xdr) for xdr in slices)


def _staged_events(slices: tuple[bytes, ...]) -> tuple[StagedEvent, ...]:
    return tuple(StagedEvent(walk.uint32(xdr, 0), ContractEvent(xdr[4:]), xdr) for xdr in slices)


def _expect_end(data: bytes, at: int) -> None:
    if at != len(data):
        raise DecodeError(f"the TransactionMeta ends at byte {at} of {len(data)}")
