"""Make the rows of contract data and code, and of their times to live, after `decode.changes`.

A row states an entry or its time to live; columns of the other are null, and `store` keeps them.
"""

from collections.abc import Iterator

from sorobanflow.decode.changes import Change
from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.entries import Entry, read_key
from sorobanflow.decode.envelopes import Soroban
from sorobanflow.decode.reader import Json, count_items
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.change_position import EVICTIONS, ChangePosition
from sorobanflow.rows.state_rows import ContractCodeRow, ContractDataRow
from sorobanflow.rows.values import hash_hex, json_text, u32

_WITH_TTL = ("contract_data", "contract_code")
_DURABILITIES = ("temporary", "persistent")
_NO_TTL = (None, None, None)


def data_row(change: Change, position: ChangePosition, tx_hash: str | None) -> ContractDataRow:
    """Make the row of a change of contract data, which a transaction made, if any."""
    return ContractDataRow(
        *_data_key(change),
        None if change.entry is None else json_text(change.entry["val"]),
        change.entry is None,
        *position,
        *_NO_TTL,
        *_creation(change, position, tx_hash),
    )


def code_row(change: Change, position: ChangePosition, tx_hash: str | None) -> ContractCodeRow:
    """Make the row of a change of contract code, which a transaction made, if any."""
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
    change: Change, position: ChangePosition, owner: Change | Entry
) -> ContractDataRow | ContractCodeRow:
    """Make the row that states only how long its owner, an entry, lives."""
    until = None if change.entry is None else u32(change.entry["live_until_ledger_seq"])
    ttl: dict[str, Json] = {
        "live_until_ledger": until,
        "ttl_ledger": position.ledger,
        "ttl_tx_order": position.tx_order,
    }
    if owner.type == "contract_code":
        return ContractCodeRow(hash_hex(owner.key["hash"]), **ttl)
    return ContractDataRow(*_data_key(owner), **ttl)


def evicted_rows(meta: CloseMeta) -> Iterator[ContractDataRow | ContractCodeRow]:
    """Make the rows of the entries that a ledger evicted: none has a time to live any more.

    A persistent entry or code keeps its value and can be restored; a temporary entry is gone. The
    keys of their times to live, which newer protocols list too, tell nothing more. Source: CAP-62.
    """
    for number, key in enumerate(meta.evicted):
        position = ChangePosition(meta.header.sequence, EVICTIONS, 0, number)
        ttl: dict[str, Json] = {
            "ttl_ledger": position.ledger,
            "ttl_tx_order": position.tx_order,
            "evicted": True,
        }
        if key.type == "contract_code":
            yield ContractCodeRow(hash_hex(key.key["hash"]), **ttl)
        elif key.type == "contract_data":
            row = ContractDataRow(*_data_key(key), **ttl)
            is_gone = row.durability == "temporary"
            yield row._replace(deleted=True, **position._asdict()) if is_gone else row


def entries_with_ttl(
    changes: list[Change], soroban: Soroban | None = None
) -> dict[str | None, Change | Entry]:
    """Map the entries whose time to live may change, by key hash.

    They are among the changes, or in the footprint of the transaction, if there is one.
    """
    entries: dict[str | None, Change | Entry] = {
        change.key_hash: change for change in changes if change.type in _WITH_TTL
    }
    if soroban is not None and any(
        change.type == "ttl" and change.key_hash not in entries for change in changes
    ):
        entries |= {key.key_hash: key for key in _footprint(soroban)}
    return entries


def _data_key(entry: Change | Entry) -> tuple[str, str, str, str]:
    durability = entry.key["durability"]
    if durability not in _DURABILITIES:
        raise DecodeError(f"unknown durability: {durability!r:.80}")
    contract_id = address(entry.key["contract"])
    return hash_hex(entry.key_hash), contract_id, durability, json_text(entry.key["key"])


def _creation(
    change: Change, position: ChangePosition, tx_hash: str | None
) -> tuple[int | None, int | None, str | None]:
    if change.kind != "created":
        return None, None, None
    return position.ledger, position.tx_order, tx_hash


def _footprint(soroban: Soroban) -> Iterator[Entry]:
    """Read the keys at the front of the SorobanResources: those that are read, those written."""
    _, (_, xdr), _ = soroban
    at = 0
    for _ in range(2):
        count, at = count_items(xdr, at), at + 4
        for _ in range(count):
            key, at = read_key(xdr, at)
            if key is not None and key.type in _WITH_TTL:
                yield key
