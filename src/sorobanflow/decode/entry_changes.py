"""Walk over LedgerEntryChanges, and keep the bytes of entries whose state is kept.

An entry is read when its row is made, which is for few of them: see `rows.state`.
Source: Stellar-ledger.x.
"""

from hashlib import sha256
from struct import Struct

from sorobanflow.decode.changes import Change
from sorobanflow.decode.entries import (
    ACCOUNT,
    CLAIMABLE_BALANCE,
    CONTRACT_CODE,
    CONTRACT_DATA,
    LIQUIDITY_POOL,
    TTL,
    WALKS,
    is_instance,
    skip_entry,
)
from sorobanflow.decode.entry_types import KEYS, LEDGER_KEY, SETTING
from sorobanflow.decode.reader import count_items, no_arm, uint32
from sorobanflow.decode.straight import Skip

_KINDS = ("created", "updated", "removed", "state", "restored")
_REMOVED, _STATE = 2, 3
_NAMED_BEFORE = (CLAIMABLE_BALANCE, LIQUIDITY_POOL)
_HASHED = (CONTRACT_DATA, CONTRACT_CODE)
#: Types of entries of which a `state` item is kept.
_KEPT_STATES = (CONTRACT_DATA, *_NAMED_BEFORE)
#: Of a change that is no removal: its kind, and the type of its entry.
_KIND_AND_TYPE = Struct(">I4xI").unpack_from
#: Offset of the balance in the LedgerEntry of an account, after its id.
_BALANCE = 44


def read_changes(data: bytes, at: int, op_order: int, changes: list[Change]) -> int:
    """Walk over LedgerEntryChanges; what is needed of an entry before a change is carried by it."""
    count = count_items(data, at)
    at += 4
    seen: dict[bytes, bytes] = {}  # entries whose changes carry what was before, by LedgerKey
    for order in range(count):
        kind, type_ = _kind_and_type(data, at)
        at += 4
        entry = None
        if kind == _REMOVED:
            end = LEDGER_KEY.skip(data, at)
            key = data[at:end]
        elif type_ == SETTING or (kind == _STATE and type_ not in _KEPT_STATES):
            at = skip_entry(data, at)
            continue
        else:
            key_at, key_end, end = WALKS[type_](data, at)
            key, entry = data[at + 4 : at + 8] + data[key_at:key_end], data[at:end]
        at = end
        before = None
        if _carries_before(kind, type_, key):
            before = seen.get(key)
            if entry is not None:
                seen[key] = entry
        if kind != _STATE and type_ != SETTING:
            fields = op_order, order, _KINDS[kind], KEYS[type_][0], key
            changes.append(Change(*fields, _hash(type_, key), entry, before))
    return at


def _kind_and_type(data: bytes, at: int) -> tuple[int, int]:
    """Read the kind of a LedgerEntryChange, and the type of its entry."""
    (kind,) = uint32(data, at)
    if kind >= len(_KINDS):
        raise ValueError(f"LedgerEntryChangeType has no value {kind}")
    (type_,) = uint32(data, at + 4 if kind == _REMOVED else at + 8)
    return kind, type_


def _carries_before(kind: int, type_: int, key: bytes) -> bool:
    """Whether a change tells of the entry before it, or is a `state` item of one that will."""
    if type_ == CONTRACT_DATA:
        return is_instance(key)
    return type_ in _NAMED_BEFORE and kind in (_REMOVED, _STATE)


def _hash(type_: int, key: bytes) -> bytes | None:
    if type_ in _HASHED:
        return sha256(key).digest()
    return key[4:] if type_ == TTL else None


def balance_gain(data: bytes, at: int, changes: list[Change]) -> int | None:
    """Compute the stroops that an account gained by LedgerEntryChanges, read as `changes`.

    None if they are not of one account, or do not show its state before.
    """
    if count_items(data, at) == 0:
        return 0
    if not changes or _KIND_AND_TYPE(data, at + 4) != (_STATE, ACCOUNT):
        return None
    before = data[at + 8 : at + 8 + _BALANCE + 8]
    if any(one.type != "account" or one.key_xdr[4:] != before[8:_BALANCE] for one in changes):
        return None
    after = changes[-1].entry_xdr
    return None if after is None else _balance(after) - _balance(before)


def _balance(account: bytes) -> int:
    """Read the balance in the LedgerEntry of an account."""
    return int.from_bytes(account[_BALANCE : _BALANCE + 8], "big", signed=True)


def skip_changes(data: bytes, at: int) -> int:
    """Skip LedgerEntryChanges."""
    count = count_items(data, at)
    at += 4
    for _ in range(count):
        (kind,) = uint32(data, at)
        skip = _SKIPS.get(kind) or no_arm("LedgerEntryChange", kind)
        at = skip(data, at + 4)
    return at


_SKIPS: dict[int, Skip] = {
    kind: LEDGER_KEY.skip if kind == _REMOVED else skip_entry for kind in range(len(_KINDS))
}
