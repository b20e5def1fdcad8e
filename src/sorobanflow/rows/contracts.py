"""Make the rows of contract data and contract code, and of their times to live.

After `decode.changes`. An entry and its time to live are two ledger entries that change
separately, and one row here. A row that states only one of them leaves the columns of
the other null, and `state` and `store` keep what they know of it.
"""

from collections.abc import Callable
from typing import NamedTuple

from sorobanflow.decode.changes import Change
from sorobanflow.decode.encode import hash_key
from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.envelopes import transaction_of
from sorobanflow.rows.state_rows import ContractCodeRow, ContractDataRow
from sorobanflow.rows.values import arm, hash_hex, json_text, u32

_DURABILITIES = ("temporary", "persistent")
_NO_TTL = (None, None, None)
_NO_CREATION = (None, None, None)


class EntryKey(NamedTuple):
    """The entry that a time to live belongs to; the fields are those of `Change`."""

    type: str
    key: Json
    key_hash: str | None
    key_xdr: bytes | None


def data_row(change: Change, position: ChangePosition, tx_hash: str) -> ContractDataRow:
    """Make the row of a change of contract data."""
    return ContractDataRow(
        *_data_key(change),
        None if change.entry is None else json_text(change.entry["val"]),
        change.value_xdr,
        change.entry is None,
        *position,
        *_NO_TTL,
        *_creation(change, position, tx_hash),
    )


def code_row(change: Change, position: ChangePosition, tx_hash: str) -> ContractCodeRow:
    """Make the row of a change of contract code."""
    code = change.value_xdr
    return ContractCodeRow(
        hash_hex(change.key["hash"]),
        code,
        None if code is None else len(code),
        change.entry is None,
        *position,
        *_NO_TTL,
        *_creation(change, position, tx_hash),
    )


def ttl_row(
    change: Change, position: ChangePosition, of: Change | EntryKey
) -> ContractDataRow | ContractCodeRow:
    """Make the row that states only how long an entry lives.

    Args:
        change: Of the time to live.
        position: Of the change.
        of: The entry, from another change or from the footprint.
    """
    until = None if change.entry is None else u32(change.entry["live_until_ledger_seq"])
    ttl: dict[str, Json] = {
        "live_until_ledger": until,
        "ttl_ledger": position.ledger,
        "ttl_tx_order": position.tx_order,
    }
    if of.type == "contract_code":
        return ContractCodeRow(hash_hex(of.key["hash"]), **ttl)
    return ContractDataRow(*_data_key(of), **ttl)


def entry_finder(changes: list[Change], envelope: Json) -> Callable[[Change], Change | EntryKey]:
    """Make a function that finds the entry of a time to live, which names it by a hash.

    The entry is among the changes of the same transaction or in its footprint; no other
    can be extended.
    """
    known: dict[str | None, Change | EntryKey] = {
        change.key_hash: change
        for change in changes
        if change.type in ("contract_data", "contract_code")
    }
    footprint_read = False

    def find(ttl: Change) -> Change | EntryKey:
        nonlocal footprint_read
        if ttl.key_hash not in known and not footprint_read:
            footprint_read = True  # only if needed: encoding its keys takes most of the time
            known.update((key.key_hash, key) for key in _footprint(envelope))
        if ttl.key_hash not in known:
            raise DecodeError(f"no entry for the time to live {ttl.key_hash}")
        return known[ttl.key_hash]

    return find


def _data_key(of: Change | EntryKey) -> tuple[str, str, str, str, Json]:
    durability = of.key["durability"]
    if durability not in _DURABILITIES:
        raise DecodeError(f"unknown durability: {durability!r:.80}")
    contract_id = address(of.key["contract"])
    return hash_hex(of.key_hash), contract_id, durability, json_text(of.key["key"]), of.key_xdr


def _creation(
    change: Change, position: ChangePosition, tx_hash: str
) -> tuple[int | None, int | None, str | None]:
    if change.kind != "created":
        return _NO_CREATION
    return position.ledger, position.tx_order, tx_hash


def _footprint(envelope: Json) -> list[EntryKey]:
    _, soroban = arm(transaction_of(envelope)["ext"])
    if soroban is None:
        return []
    footprint = soroban["resources"]["footprint"]
    keys = []
    for key in (*footprint["read_only"], *footprint["read_write"]):
        kind, body = arm(key)
        if kind in ("contract_data", "contract_code"):
            keys.append(EntryKey(kind, body, *hash_key(kind, body)))
    return keys
