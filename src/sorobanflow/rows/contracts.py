"""Make the rows of contract data and contract code, and of their times to live.

Follows `decode.changes`. An entry and its time to live are two entries of the
ledger, changed apart, and one row here; so a row may be silent about a part of
itself, whose columns are then null, and `state` and `store` keep that part.
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
_NO_POSITION: dict[str, Json] = dict.fromkeys(ChangePosition._fields)
_NO_TTL: dict[str, Json] = dict.fromkeys(("live_until_ledger", "ttl_ledger", "ttl_tx_order"))
_NO_CREATION: dict[str, Json] = dict.fromkeys(
    ("created_ledger", "created_tx_order", "created_tx_hash")
)
_NO_UPLOAD: dict[str, Json] = dict.fromkeys(("first_ledger", "first_tx_order", "first_tx_hash"))


class EntryKey(NamedTuple):
    """Which entry a time to live is of; the fields are those of `Change`."""

    type: str
    key: Json
    key_hash: str | None
    key_xdr: bytes | None


def data_row(change: Change, position: ChangePosition, tx_hash: str) -> ContractDataRow:
    """Make the row of a change of contract data.

    Raises:
        DecodeError: a field does not hold its type.
    """
    removed = change.entry is None
    created = _filled(_NO_CREATION, position.ledger, position.tx_order, tx_hash)
    return ContractDataRow(
        **_data_identity(change),
        value=None if removed else json_text(change.entry["val"]),
        value_xdr=change.value_xdr,
        deleted=removed,
        **position._asdict(),
        **_NO_TTL,
        **(created if change.kind == "created" else _NO_CREATION),
    )


def code_row(change: Change, position: ChangePosition, tx_hash: str) -> ContractCodeRow:
    """Make the row of a change of contract code.

    Raises:
        DecodeError: a field does not hold its type.
    """
    code = change.value_xdr
    uploaded = _filled(_NO_UPLOAD, position.ledger, position.tx_order, tx_hash)
    return ContractCodeRow(
        wasm_hash=hash_hex(change.key["hash"]),
        code=code,
        size=None if code is None else len(code),
        deleted=change.entry is None,
        **position._asdict(),
        **_NO_TTL,
        **(uploaded if change.kind == "created" else _NO_UPLOAD),
    )


def ttl_row(
    change: Change, position: ChangePosition, of: Change | EntryKey
) -> ContractDataRow | ContractCodeRow:
    """Make the row that says only how long an entry lives.

    Args:
        change: Of the time to live.
        position: Where it stands.
        of: The entry, as another change or the footprint names it.

    Raises:
        DecodeError: a field does not hold its type.
    """
    until = None if change.entry is None else u32(change.entry["live_until_ledger_seq"])
    ttl = _filled(_NO_TTL, until, position.ledger, position.tx_order)
    if of.type == "contract_code":
        silent: dict[str, Json] = {"code": None, "size": None, "deleted": False}
        return ContractCodeRow(
            wasm_hash=hash_hex(of.key["hash"]), **silent, **_NO_POSITION, **ttl, **_NO_UPLOAD
        )
    return ContractDataRow(
        **_data_identity(of),
        value=None,
        value_xdr=None,
        deleted=False,
        **_NO_POSITION,
        **ttl,
        **_NO_CREATION,
    )


def entry_finder(changes: list[Change], envelope: Json) -> Callable[[Change], Change | EntryKey]:
    """Give a function that finds the entry that a time to live is of.

    A time to live names its entry by a hash. The entry is among the same
    transaction's changes, or in its footprint: nothing else can be extended.
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
            footprint_read = True  # encoding its keys costs more than all else: only if need be
            known.update((key.key_hash, key) for key in _footprint(envelope))
        if ttl.key_hash not in known:
            raise DecodeError(f"no entry for the time to live {ttl.key_hash}")
        return known[ttl.key_hash]

    return find


def _data_identity(of: Change | EntryKey) -> dict[str, Json]:
    durability = of.key["durability"]
    if durability not in _DURABILITIES:
        raise DecodeError(f"unknown durability: {durability!r:.80}")
    return {
        "key_hash": hash_hex(of.key_hash),
        "contract_id": address(of.key["contract"]),
        "durability": durability,
        "key": json_text(of.key["key"]),
        "key_xdr": of.key_xdr,
    }


def _filled(columns: dict[str, Json], *values: Json) -> dict[str, Json]:
    return dict(zip(columns, values, strict=True))


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
