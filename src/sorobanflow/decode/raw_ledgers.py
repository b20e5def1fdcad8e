"""Find the parts of a LedgerCloseMeta: what is proved and handed on as it stands, as slices.

Invariant: every byte is walked, so bytes that are missing, left over or of an unknown arm are a
DecodeError. Nothing is proved here: see `proofs`. Source: Stellar-ledger.x.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sorobanflow.decode.changes import Change, Meta
from sorobanflow.decode.close_meta import FeeChanges, Header, Upgrade
from sorobanflow.decode.close_meta_types import (
    CLOSE_META_EXT,
    LEDGER_HEADER,
    LEDGER_UPGRADE,
    SCP_INFO,
)
from sorobanflow.decode.entries import skip_entry
from sorobanflow.decode.entry_changes import balance_gain, read_changes
from sorobanflow.decode.entry_types import LEDGER_KEY
from sorobanflow.decode.meta_events import MetaEvents
from sorobanflow.decode.reader import (
    EXTENSION_POINT,
    T,
    count_items,
    no_arm,
    part,
    uint32,
)
from sorobanflow.decode.result_types import TRANSACTION_RESULT
from sorobanflow.decode.results import Result
from sorobanflow.decode.transaction_readers import ALL, EVENTS, Readers
from sorobanflow.decode.tx_sets import TxSet, read_generalized_tx_set, read_tx_set
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LAST_LEDGER
from sorobanflow.toid import MAX_TX

_MAX_TIME = 253_402_300_799  # the end of the year 9999, the last that a date can have
_SUCCESS_CODES = (bytes(4), (1).to_bytes(4, "big"))
#: Bytes of a LedgerHeaderHistoryEntry before it: the hash, and the protocol's version.
_TO_PREVIOUS_HASH = 36
#: LedgerEntryTypes of contract data, contract code and ttl.
_EVICTED_TYPES = tuple(kind.to_bytes(4, "big") for kind in (6, 7, 9))


class StatedHeader(NamedTuple):
    """A LedgerHeader, its bytes, and the hashes that it states of other parts."""

    header: Header  # its hash is the one stated beside it
    xdr: bytes
    tx_set_hash: str  # hex, as the next one
    results_hash: str
    is_without_set: bool  # a STELLAR_VALUE_EMPTY_TX_SET: the network applied no set


class Applied(NamedTuple):
    """A transaction as it was applied."""

    hash: bytes
    result: bytes  # TransactionResult
    meta: bytes  # TransactionMeta
    read_result: Result | None  # None where only events are wanted
    read_meta: Meta | None  # None where only events are wanted
    events: MetaEvents
    fees: FeeChanges

    @property
    def is_successful(self) -> bool:
        """Whether its code is txSUCCESS, or txFEE_BUMP_INNER_SUCCESS."""
        return self.result[8:12] in _SUCCESS_CODES


class RawLedger(NamedTuple):
    """The parts of a LedgerCloseMeta; what is not kept of it is left out."""

    stated: StatedHeader
    tx_set: TxSet
    applied: list[Applied]  # in the order of application
    upgrades: list[Upgrade]
    evicted: list[bytes]  # LedgerKeys


def raw_ledger_reader(
    network: bytes, *, with_changes: bool = True
) -> Callable[[bytes, int], tuple[RawLedger, int]]:
    """Make a reader of a LedgerCloseMeta among others; it raises nothing but DecodeError.

    `with_changes`: read what the transactions state, not only their events.
    """
    readers = ALL if with_changes else EVENTS
    return part("LedgerCloseMeta", lambda data, at: _read_ledger(data, at, network, readers))


def find_headers(data: bytes, at: int, count: int) -> list[StatedHeader] | None:
    """Find the headers of ledgers that follow each other, without walking the ledgers.

    The first stands at the front of its ledger. Each one after it states the hash of the one
    before, which stands nowhere in between. None if it does: only walking can tell more.
    """
    stated, end = _read_first_header(data, at)
    found = [stated]
    while len(found) < count:
        at = data.find(bytes.fromhex(stated.header.hash), end)
        if at < 0:
            return None
        try:
            stated, end = _read_other_header(data, at - _TO_PREVIOUS_HASH)
        except DecodeError:
            return None
        found.append(stated)
    return found


def _read_front(data: bytes, at: int) -> tuple[tuple[int, StatedHeader], int]:
    """Read a LedgerCloseMeta's version and header."""
    (version,) = uint32(data, at)
    if version > 2:
        no_arm("LedgerCloseMeta", version)
    at = CLOSE_META_EXT.skip(data, at + 4) if version else at + 4
    stated, at = _read_header(data, at)
    return (version, stated), at


def _read_ledger(data: bytes, at: int, network: bytes, readers: Readers) -> tuple[RawLedger, int]:
    (version, stated), at = _read_front(data, at)
    read_set = read_generalized_tx_set if version else read_tx_set
    tx_set, at = read_set(data, at, network, readers)
    applied, at = _read_applied(data, at, version, readers)
    upgrades, at = _read_each(data, at, _read_upgrade)
    at = SCP_INFO.skip(data, at)
    evicted: list[bytes] = []
    if version:
        evicted, at = _read_each(data, at + 8, _read_evicted)
    if version == 1:
        at = _read_each(data, at, lambda data, at, _: (None, skip_entry(data, at)))[1]
    keys = [key for key in evicted if key.startswith(_EVICTED_TYPES)]
    return RawLedger(stated, tx_set, applied, upgrades, keys), at


def _read_evicted(data: bytes, at: int, _: int) -> tuple[bytes, int]:
    end = LEDGER_KEY.skip(data, at)
    return data[at:end], end


def _read_header(data: bytes, at: int) -> tuple[StatedHeader, int]:
    """Read a LedgerHeaderHistoryEntry."""
    start = at + 32
    stated, end = LEDGER_HEADER.read(data, start)
    value = stated["scp_value"]
    header = Header(
        sequence=stated["ledger_seq"],
        hash=data[at:start].hex(),
        previous_hash=stated["previous_ledger_hash"],
        protocol=stated["ledger_version"],
        closed_at=value["close_time"],
        base_fee=stated["base_fee"],
        base_reserve=stated["base_reserve"],
        fee_pool=stated["fee_pool"],
        total_coins=stated["total_coins"],
    )
    if not 1 <= header.sequence <= LAST_LEDGER or header.closed_at > _MAX_TIME:
        raise ValueError(f"no ledger {header.sequence} can close at {header.closed_at}")
    hashes = value["tx_set_hash"], stated["tx_set_result_hash"]
    is_without_set = "empty_tx_set" in value["ext"]
    at = EXTENSION_POINT.skip(data, end)
    return StatedHeader(header, data[start:end], *hashes, is_without_set), at


def _read_first_header(data: bytes, at: int) -> tuple[StatedHeader, int]:
    (_, stated), at = _read_whole_front(data, at)
    return stated, at


_read_whole_front = part("LedgerCloseMeta", _read_front)
_read_other_header = part("LedgerHeaderHistoryEntry", _read_header)


def _read_applied(
    data: bytes, at: int, version: int, readers: Readers
) -> tuple[list[Applied], int]:
    count_items(data, at, MAX_TX - 1)
    read = _read_applied_v1 if version == 2 else _read_applied_v0
    return _read_each(data, at, partial(read, readers=readers))


def _read_applied_v0(data: bytes, at: int, number: int, readers: Readers) -> tuple[Applied, int]:
    """Read a TransactionResultMeta."""
    result_at = at + 32
    told, fees_at = readers.result(data, result_at)
    if told is None:
        fees_at = TRANSACTION_RESULT.skip(data, result_at)
    before: list[Change] = []
    meta_at = read_changes(data, fees_at, number, before)
    charged = balance_gain(data, fees_at, before)
    fees = FeeChanges(before, [], -charged if charged else None, 0)
    (meta, events), end = readers.meta(data, meta_at)
    tx_hash, result, meta_xdr = data[at:result_at], data[result_at:fees_at], data[meta_at:end]
    return Applied(tx_hash, result, meta_xdr, told, meta, events, fees), end


def _read_applied_v1(data: bytes, at: int, number: int, readers: Readers) -> tuple[Applied, int]:
    """Read a TransactionResultMetaV1."""
    applied, at = _read_applied_v0(data, EXTENSION_POINT.skip(data, at), number, readers)
    after: list[Change] = []
    end = read_changes(data, at, number, after)
    fees = applied.fees._replace(after=after, refunded=balance_gain(data, at, after))
    return applied._replace(fees=fees), end


def _read_upgrade(data: bytes, at: int, number: int) -> tuple[Upgrade, int]:
    value, at = LEDGER_UPGRADE.read(data, at)
    changes: list[Change] = []
    return Upgrade(value, changes), read_changes(data, at, number, changes)


def _read_each(
    data: bytes, at: int, read: Callable[[bytes, int, int], tuple[T, int]]
) -> tuple[list[T], int]:
    """Read an array; the items are numbered from 1."""
    count = count_items(data, at)
    at += 4
    items = []
    for number in range(1, count + 1):
        item, at = read(data, at, number)
        items.append(item)
    return items, at
