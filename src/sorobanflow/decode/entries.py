"""Walk past ledger entries, and read them and their keys where somebody needs them.

Invariant: walking refuses what reading refuses, so an entry that was walked past can be read.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from sorobanflow.decode.composites import optional, struct, union
from sorobanflow.decode.entry_types import (
    ENTRY_FIELDS,
    KEYS,
    LEDGER_KEY,
    SETTING,
    skip_setting,
)
from sorobanflow.decode.reader import EXTENSION_POINT, Json, base64_reader, skip_opaque, uint32
from sorobanflow.decode.straight import Code, Parts, XdrType
from sorobanflow.decode.strkeys import ACCOUNT_ID, SC_ADDRESS

ACCOUNT, CLAIMABLE_BALANCE, LIQUIDITY_POOL, CONTRACT_DATA, CONTRACT_CODE, TTL = 0, 4, 5, 6, 7, 9
DATA_TYPE, CODE_TYPE = (6).to_bytes(4, "big"), (7).to_bytes(4, "big")
INSTANCE_KEY = (20).to_bytes(4, "big")  # the SCVal ledger_key_contract_instance
#: Offsets in the LedgerEntry of an account: the last byte of a flag, and the home domain without
#: the account that follows the flag.
_HAS_INFLATION_DEST, _ACCOUNT_DOMAIN = 67, 72
_BODY = 8  # offset in a LedgerEntry, after lastModifiedLedgerSeq and the type


class Entry(NamedTuple):
    """A ledger entry, or only its key, in SEP-51 form."""

    type: str  # a name of LedgerEntryType, such as offer
    key: Json  # body of the LedgerKey in SEP-51 form
    entry: Json = None  # body of the LedgerEntryData in SEP-51 form, without the Wasm
    sponsor: str | None = None  # account (G…) that sponsors the entry's reserve, if any
    wasm: bytes | None = None


def read_entry(data: bytes, at: int) -> tuple[Entry | None, int]:
    """Read a LedgerEntry; None for network settings."""
    (kind,) = uint32(data, at + 4)
    if kind == SETTING:
        return None, skip_entry(data, at)
    (name, key, entry, _, wasm), at = _read_data(data, at + 4)
    extension, at = _ENTRY_EXT.read(data, at)
    sponsor = None if extension == "v0" else extension["v1"]["sponsoring_id"]
    return Entry(name, key, entry, sponsor, wasm), at


def skip_entry(data: bytes, at: int) -> int:
    """Skip a LedgerEntry."""
    (kind,) = uint32(data, at + 4)
    if kind == SETTING:
        return _ENTRY_EXT.skip(data, skip_setting(data, at + _BODY))
    return WALKS[kind](data, at)[2]


#: Takes bytes and the position of a LedgerEntry; gives where the body of its LedgerKey begins and
#: ends, and where the entry ends.
Walk: TypeAlias = Callable[[bytes, int], tuple[int, int, int]]


class _Walks(dict[int, Walk]):
    """By LedgerEntryType: what walks past an entry, but of network settings; made when needed."""

    def __missing__(self, kind: int) -> Walk:
        before, key, after = _fields(kind)
        code = Code()
        code.add(f"at += {_BODY}")
        struct(**before).write_skip(code)
        code.add("key_at = at")
        struct(**key).write_skip(code)
        code.add("key_end = at")
        struct(**after, entry_ext=_ENTRY_EXT).write_skip(code)
        code.add("return key_at, key_end, at")
        walk = self[kind] = code.function()
        return walk


WALKS = _Walks()


def is_instance(key_xdr: bytes) -> bool:
    """Whether a LedgerKey is that of a contract's instance."""
    # Without its durability it ends with the SCVal of instances; so does an u32 of 20.
    if key_xdr[-8:-4] != INSTANCE_KEY or not key_xdr.startswith(DATA_TYPE):
        return False
    return SC_ADDRESS.skip(key_xdr, 4) == len(key_xdr) - 8


def has_signers(account: bytes) -> bool:
    """Whether the LedgerEntry of an account has signers, or sponsors of them."""
    domain_at = _ACCOUNT_DOMAIN + 36 * account[_HAS_INFLATION_DEST]
    count_at = skip_opaque(account, domain_at) + 4
    if account[count_at + 3]:
        return True
    # The arms of AccountEntryExt and AccountEntryExtensionV1Ext, and the number of sponsors.
    return all(account[count_at + offset] for offset in (7, 27, 39))


class EntryParts(NamedTuple):
    """A ledger entry that is not of a contract, as rows take it: see `XdrType.parts`."""

    key: Parts  # the fields of its LedgerKey
    values: Parts  # the fields after them, and the entry's extension; None if it was removed

    @property
    def sponsor(self) -> str | None:
        """The account (G…) that sponsors the entry's reserve, if any."""
        if self.values is None:
            return None
        _, sponsored = self.values[-1]
        return None if sponsored is None else sponsored[0]


def read_parts(key_xdr: bytes, entry_xdr: bytes | None) -> EntryParts:
    """Read the LedgerKey and the LedgerEntry of an entry that is not of a contract."""
    kind = key_xdr[3]
    key, _ = KEYS[kind][1].parts(key_xdr, 4)
    if entry_xdr is None:
        return EntryParts(key, None)
    values, _ = _VALUES[kind].parts(entry_xdr, len(key_xdr) + 4)  # after number and key
    return EntryParts(key, values)


def read_key(data: bytes, at: int = 0) -> tuple[Entry, int]:
    """Read a LedgerKey."""
    key, at = LEDGER_KEY.read(data, at)
    [(name, body)] = key.items()
    return Entry(name, body), at


def _fields(kind: int) -> tuple[dict[str, XdrType], dict[str, XdrType], dict[str, XdrType]]:
    if kind == SETTING or kind not in ENTRY_FIELDS:
        raise ValueError(f"LedgerEntryType has no value {kind}")
    return ENTRY_FIELDS[kind]


def _read_data(data: bytes, at: int) -> tuple[Entry, int]:
    """Read a LedgerEntryData."""
    (kind,) = uint32(data, at)
    _, key, _ = _fields(kind)
    entry, at = _BODIES[kind].read(data, at + 4)
    wasm = entry.pop("code", None)
    return Entry(KEYS[kind][0], {name: entry[name] for name in key}, entry, None, wasm), at


def _read_contract_data(data: bytes, at: int) -> tuple[Entry, int]:
    (kind,) = uint32(data, at)
    if kind not in (CONTRACT_DATA, CONTRACT_CODE):
        raise ValueError(f"LedgerEntryData has type {kind}; expected contract data or code")
    return _read_data(data, at)


#: Reads the LedgerEntryData of contract data or code, as getLedgerEntries gives it.
read_contract_entry = base64_reader("LedgerEntryData", _read_contract_data)

_BODIES = {
    kind: struct(**before, **key, **after) for kind, (before, key, after) in ENTRY_FIELDS.items()
}
_ENTRY_V1 = struct(sponsoring_id=optional(ACCOUNT_ID), ext=EXTENSION_POINT)
_ENTRY_EXT = union("LedgerEntryExt", {0: ("v0", None), 1: ("v1", _ENTRY_V1)})
_VALUES = {
    kind: struct(**after, entry_ext=_ENTRY_EXT)
    for kind, (before, _, after) in ENTRY_FIELDS.items()
    if not before
}
