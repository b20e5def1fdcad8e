"""Read LedgerEntryChanges of entries whose state is kept; skip those of network settings.

Source: Stellar-ledger.x.
"""

from struct import Struct

from sorobanflow.decode.changes import Change
from sorobanflow.decode.entries import Entry, is_instance, read_entry, read_key, skip_entry
from sorobanflow.decode.entry_types import LEDGER_KEY
from sorobanflow.decode.reader import INT64, Json, count_items, enum, no_arm, uint32
from sorobanflow.decode.straight import Skip
from sorobanflow.decode.strkeys import ACCOUNT_ID

_KIND = enum("LedgerEntryChangeType", ["created", "updated", "removed", "state", "restored"])
_REMOVED, _STATE = 2, 3
#: Of a change that is no removal: its kind, and the type of its entry.
_KIND_AND_TYPE = Struct(">I4xI").unpack_from
_NAMED_BEFORE = ("claimable_balance", "liquidity_pool")
_SKIPS: dict[int, Skip] = {
    kind: LEDGER_KEY.skip if kind == _REMOVED else skip_entry for kind in range(5)
}


def read_changes(data: bytes, at: int, op_order: int, changes: list[Change]) -> int:
    """Read LedgerEntryChanges; what is needed of an entry before a change is carried by it."""
    count = count_items(data, at)
    at += 4
    instances: dict[str | None, Json] = {}  # by the hash of their key
    state_at = None  # where the last item of kind `state` stands
    for order in range(count):
        kind, at = _KIND.read(data, at)
        if kind == "state":
            state_at = at
            if not is_instance(data, at):
                at = skip_entry(data, at)
                continue
        entry, at = read_key(data, at) if kind == "removed" else read_entry(data, at)
        if entry is None:
            continue
        is_of_instance = entry.is_instance
        before = instances.get(entry.key_hash) if is_of_instance else None
        if kind == "removed" and entry.type in _NAMED_BEFORE and state_at is not None:
            before = _entry_before(data, state_at, entry)
        if kind != "state":
            changes.append(Change(op_order, order, kind, *entry, before))
        if is_of_instance and kind != "removed":
            instances[entry.key_hash] = entry.entry["val"]
    return at


def balance_gain(data: bytes, at: int, changes: list[Change]) -> int | None:
    """Compute the stroops that an account gained by LedgerEntryChanges, read as `changes`.

    None if they are not of one account, or do not show its state before.
    """
    if count_items(data, at) == 0:
        return 0
    if not changes or _KIND_AND_TYPE(data, at + 4) != (_STATE, 0):
        return None
    account, balance_at = ACCOUNT_ID.read(data, at + 16)
    if any(one.type != "account" or one.key["account_id"] != account for one in changes):
        return None
    before, _ = INT64.read(data, balance_at)
    after = changes[-1].entry
    return None if after is None else int(after["balance"]) - int(before)


def _entry_before(data: bytes, state_at: int, removed: Entry) -> Json:
    before, _ = read_entry(data, state_at)
    return before.entry if before is not None and before.key == removed.key else None


def skip_changes(data: bytes, at: int) -> int:
    """Skip LedgerEntryChanges."""
    count = count_items(data, at)
    at += 4
    for _ in range(count):
        (kind,) = uint32(data, at)
        skip = _SKIPS.get(kind) or no_arm("LedgerEntryChange", kind)
        at = skip(data, at + 4)
    return at
