"""Read LedgerEntryChanges of entries whose state is kept; skip the others.

Source: Stellar-ledger.x.
"""

from sorobanflow.decode.changes import Change
from sorobanflow.decode.entries import is_instance, read_entry, read_key, skip_entry
from sorobanflow.decode.entry_types import LEDGER_KEY
from sorobanflow.decode.reader import Json, Skip, count_items, enum, no_arm, uint32

_KIND = enum("LedgerEntryChangeType", ["created", "updated", "removed", "state", "restored"])
_REMOVED = 2
_SKIPS: dict[int, Skip] = {
    kind: LEDGER_KEY.skip if kind == _REMOVED else skip_entry for kind in range(5)
}


def read_changes(data: bytes, at: int, op_order: int, changes: list[Change]) -> int:
    """Read LedgerEntryChanges; a contract's instance before a change is carried by the change."""
    count = count_items(data, at)
    at += 4
    instances: dict[str | None, Json] = {}  # by the hash of their key
    for order in range(count):
        kind, at = _KIND.read(data, at)
        if kind == "state" and not is_instance(data, at):
            at = skip_entry(data, at)
            continue
        entry, at = read_key(data, at) if kind == "removed" else read_entry(data, at)
        if entry is None:
            continue
        before = instances.get(entry.key_hash) if entry.is_instance else None
        if kind != "state":
            changes.append(Change(op_order, order, kind, *entry, before))
        if entry.is_instance and kind != "removed":
            instances[entry.key_hash] = entry.entry["val"]
    return at


def skip_changes(data: bytes, at: int) -> int:
    """Skip LedgerEntryChanges."""
    count = count_items(data, at)
    at += 4
    for _ in range(count):
        (kind,) = uint32(data, at)
        skip = _SKIPS.get(kind) or no_arm("LedgerEntryChange", kind)
        at = skip(data, at + 4)
    return at
