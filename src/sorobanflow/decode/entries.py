"""Read the ledger entries and keys whose state is kept, for `metas`; skip network settings.

Invariant: hashes and XDR are taken from the bytes that were read, never encoded again.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from sorobanflow.decode.composites import optional, struct, union
from sorobanflow.decode.entry_types import (
    ACCOUNT,
    CLAIMABLE_BALANCE,
    CODE_EXT,
    DATA,
    DURABILITY,
    ENTRIES,
    KEYS,
    LEDGER_KEY,
    LIQUIDITY_POOL,
    OFFER,
    TRUSTLINE,
    TTL,
)
from sorobanflow.decode.reader import (
    EXTENSION_POINT,
    HASH,
    Json,
    base64_reader,
    slice_opaque,
    uint32,
)
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.decode.straight import XdrType
from sorobanflow.decode.strkeys import ACCOUNT_ID, SC_ADDRESS

_DATA, _CODE = 6, 7
DATA_TYPE, CODE_TYPE = (6).to_bytes(4, "big"), (7).to_bytes(4, "big")
INSTANCE_KEY = (20).to_bytes(4, "big")  # the SCVal ledger_key_contract_instance
_BODY = 8  # offset in a LedgerEntry, after lastModifiedLedgerSeq and the type


class Entry(NamedTuple):
    """A ledger entry, or only its key; the fields are those of `Change`."""

    type: str
    key: Json
    key_hash: str | None = None
    entry: Json = None
    sponsor: str | None = None
    key_xdr: bytes | None = None
    value_xdr: bytes | None = None

    @property
    def is_instance(self) -> bool:
        """Whether this is a contract's instance."""
        return self.key_xdr == INSTANCE_KEY


_ReadEntry: TypeAlias = Callable[[bytes, int], tuple[Entry, int]]


def read_entry(data: bytes, at: int) -> tuple[Entry | None, int]:
    """Read a LedgerEntry; None for a type whose state is not kept."""
    (kind,) = uint32(data, at + 4)
    read = _READ_ENTRY.get(kind)
    if read is None:
        return None, skip_entry(data, at)
    entry, at = read(data, at + _BODY)
    extension, at = _ENTRY_EXT.read(data, at)
    if extension != "v0":
        entry = entry._replace(sponsor=extension["v1"]["sponsoring_id"])
    return entry, at


def skip_entry(data: bytes, at: int) -> int:
    """Skip a LedgerEntry."""
    (kind,) = uint32(data, at + 4)
    if kind not in ENTRIES:
        raise ValueError(f"LedgerEntryType has no value {kind}")
    return _ENTRY_EXT.skip(data, ENTRIES[kind].skip(data, at + _BODY))


def is_instance(data: bytes, at: int) -> bool:
    """Whether the LedgerEntry at this position is a contract's instance."""
    (kind,) = uint32(data, at + 4)
    if kind != _DATA:
        return False
    key_at = SC_ADDRESS.skip(data, EXTENSION_POINT.skip(data, at + _BODY))
    return data[key_at : key_at + 4] == INSTANCE_KEY


def read_key(data: bytes, at: int) -> tuple[Entry | None, int]:
    """Read a LedgerKey; None for a type whose state is not kept."""
    (kind,) = uint32(data, at)
    read = _READ_KEY.get(kind)
    if read is None:
        return None, LEDGER_KEY.skip(data, at)
    return read(data, at + 4)


def _read_plain(name: str, body: XdrType, *key_fields: str) -> _ReadEntry:
    """Make a reader of an entry whose key is made of its fields."""

    def read(data: bytes, at: int) -> tuple[Entry, int]:
        entry, at = body.read(data, at)
        key = {field: entry[field] for field in key_fields}
        return Entry(name, key, entry.get("key_hash"), entry), at

    return read


def _read_code(data: bytes, at: int) -> tuple[Entry, int]:
    ext, at = CODE_EXT.read(data, at)
    (name, key, key_hash, *_), at = _read_code_key(data, at)
    wasm, at = slice_opaque(data, at)
    return Entry(name, key, key_hash, {"ext": ext, **key}, value_xdr=wasm), at


def _read_data(data: bytes, at: int) -> tuple[Entry, int]:
    ext, at = EXTENSION_POINT.read(data, at)
    (name, key, key_hash, _, _, key_xdr, _), at = _read_data_key(data, at)
    val, end = SC_VAL.read(data, at)
    entry = {"ext": ext, **key, "val": val}
    return Entry(name, key, key_hash, entry, None, key_xdr, data[at:end]), end


def _read_data_key(data: bytes, at: int) -> tuple[Entry, int]:
    contract, key_at = SC_ADDRESS.read(data, at)
    key, key_end = SC_VAL.read(data, key_at)
    durability, end = DURABILITY.read(data, key_end)
    body = {"contract": contract, "key": key, "durability": durability}
    key_hash = sha256(DATA_TYPE + data[at:end]).hexdigest()
    return Entry("contract_data", body, key_hash, None, None, data[key_at:key_end]), end


def _read_code_key(data: bytes, at: int) -> tuple[Entry, int]:
    code_hash, end = HASH.read(data, at)
    key_hash = sha256(CODE_TYPE + data[at:end]).hexdigest()
    return Entry("contract_code", {"hash": code_hash}, key_hash), end


def _read_plain_key(kind: int) -> _ReadEntry:
    name, body = KEYS[kind]

    def read(data: bytes, at: int) -> tuple[Entry, int]:
        key, at = body.read(data, at)
        return Entry(name, key, key.get("key_hash")), at

    return read


def _read_entry_data(data: bytes, at: int) -> tuple[Entry, int]:
    (kind,) = uint32(data, at)
    if kind not in (_DATA, _CODE):
        raise ValueError(f"LedgerEntryData has type {kind}; expected contract data or code")
    return _READ_ENTRY[kind](data, at + 4)


#: Reads the LedgerEntryData of contract data or code, as getLedgerEntries gives it.
read_contract_entry = base64_reader("LedgerEntryData", _read_entry_data)

_ENTRY_V1 = struct(sponsoring_id=optional(ACCOUNT_ID), ext=EXTENSION_POINT)
_ENTRY_EXT = union("LedgerEntryExt", {0: ("v0", None), 1: ("v1", _ENTRY_V1)})

_READ_ENTRY: dict[int, _ReadEntry] = {
    0: _read_plain("account", ACCOUNT, "account_id"),
    1: _read_plain("trustline", TRUSTLINE, "account_id", "asset"),
    2: _read_plain("offer", OFFER, "seller_id", "offer_id"),
    3: _read_plain("data", DATA, "account_id", "data_name"),
    4: _read_plain("claimable_balance", CLAIMABLE_BALANCE, "balance_id"),
    5: _read_plain("liquidity_pool", LIQUIDITY_POOL, "liquidity_pool_id"),
    6: _read_data,
    7: _read_code,
    9: _read_plain("ttl", TTL, "key_hash"),
}
_READ_KEY: dict[int, _ReadEntry] = {
    **{kind: _read_plain_key(kind) for kind in range(6)},
    6: _read_data_key,
    7: _read_code_key,
    9: _read_plain_key(9),
}
