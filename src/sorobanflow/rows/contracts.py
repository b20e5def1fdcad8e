"""What a batch tells of contract data and code: value, time to live and creation, and their rows.

Each of the three has a position of its own; columns of one that the batch does not tell are null,
and `store` keeps them.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from sorobanflow.decode.changes import Change
from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.entries import CODE_TYPE, DATA_TYPE
from sorobanflow.decode.entry_types import LEDGER_KEY
from sorobanflow.decode.envelopes import Soroban
from sorobanflow.decode.reader import Json, count_items, uint32
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.decode.strkeys import SC_ADDRESS
from sorobanflow.errors import DecodeError
from sorobanflow.rows.change_position import EVICTIONS, PlacedChange
from sorobanflow.rows.state_rows import ContractCodeRow, ContractDataRow

_WITH_TTL = (DATA_TYPE, CODE_TYPE)
_TEMPORARY = bytes(4)  # the end of a LedgerKey of contract data
_LIVE_UNTIL = 40  # offset in the LedgerEntry of a ttl, after the hash
_NOWHERE, _NO_LIFE, _NO_CREATION = (None,) * 4, (None,) * 3, (None,) * 3


class Life(NamedTuple):
    """How long an entry of contract data or code lives, from a position on."""

    key_hash: bytes
    key_xdr: bytes  # the entry's LedgerKey
    ledger: int
    tx_order: int
    live_until: int | None
    evicted: bool = False


class ContractEntry:
    """What a batch tells of an entry of contract data or code; each newer part replaces its own."""

    __slots__ = ("creation", "key_xdr", "life", "newest")

    def __init__(self, key_xdr: bytes) -> None:
        self.key_xdr = key_xdr
        self.newest: PlacedChange | None = None
        self.life: Life | None = None
        self.creation: PlacedChange | None = None

    def add(self, placed: PlacedChange) -> None:
        """Take a newer change of the entry."""
        self.newest = placed
        if placed.change.kind == "created":
            self.creation = placed

    def row(self, key_hash: bytes) -> ContractDataRow | ContractCodeRow:
        """Make the row."""
        if self.key_xdr.startswith(CODE_TYPE):
            code = None if self.newest is None else self.newest.change.read().wasm
            size = None if code is None else len(code)
            return ContractCodeRow(self.key_xdr[4:].hex(), code, size, *self._end())
        value = None
        if self.newest is not None and self.newest.change.entry_xdr is not None:
            value, _ = SC_VAL.text(self.newest.change.entry_xdr, self.value_at)
        return ContractDataRow(key_hash.hex(), *_key_columns(self.key_xdr), value, *self._end())

    @property
    def value_at(self) -> int:
        """Offset of the value in the LedgerEntry of contract data."""
        return (
            len(self.key_xdr) + 8
        )  # a key begins with the type; an entry has 8 more bytes, 4 less

    def _end(self) -> Json:
        """Give the last columns, which both rows have."""
        newest, life, creation = self.newest, self.life, self.creation
        return (
            newest is not None and newest.change.entry_xdr is None,
            *(_NOWHERE if newest is None else newest.position),
            *(_NO_LIFE if life is None else (life.live_until, life.ledger, life.tx_order)),
            *(_NO_CREATION if creation is None else creation[1:]),
            life is not None and life.evicted,
        )


def life_of(placed: PlacedChange, owners: Mapping[bytes, bytes]) -> Life:
    """Give the time to live that a change of a ttl states; DecodeError if its entry is unknown."""
    key_hash, entry = placed.change.key_xdr[4:], placed.change.entry_xdr
    owner = owners.get(key_hash)
    if owner is None:
        raise DecodeError(f"no entry for the time to live {key_hash.hex()}")
    until = None
    if entry is not None:
        (until,) = uint32(entry, _LIVE_UNTIL)
    return Life(key_hash, owner, placed.ledger, placed.tx_order, until)


def is_persistent(key_xdr: bytes) -> bool:
    """Whether a LedgerKey of contract data is that of a persistent entry."""
    return not key_xdr.endswith(_TEMPORARY)


def evictions(meta: CloseMeta) -> Iterator[Life | PlacedChange]:
    """List what becomes of the entries that a ledger evicted: none has a time to live any more.

    A persistent entry or code keeps its value and can be restored; a temporary entry is gone. The
    keys of their times to live, which newer protocols list too, tell nothing more. Source: CAP-62.
    """
    ledger = meta.header.sequence
    for number, key_xdr in enumerate(meta.evicted):
        if not key_xdr.startswith(_WITH_TTL):
            continue
        key_hash = sha256(key_xdr).digest()
        yield Life(key_hash, key_xdr, ledger, EVICTIONS, None, evicted=True)
        if key_xdr.startswith(DATA_TYPE) and not is_persistent(key_xdr):
            gone = Change(0, number, "removed", "contract_data", key_xdr, key_hash, None)
            yield PlacedChange(gone, ledger, EVICTIONS, None)


def entries_with_ttl(changes: list[Change], soroban: Soroban | None = None) -> dict[bytes, bytes]:
    """Map the hashes of the entries whose time to live may change to their keys, LedgerKeys.

    They are among the changes, or in the footprint of the transaction, if there is one.
    """
    owners = {
        one.key_hash: one.key_xdr
        for one in changes
        if one.key_hash is not None and one.type != "ttl"
    }
    if soroban is not None and any(
        one.type == "ttl" and one.key_hash not in owners for one in changes
    ):
        owners |= {sha256(key).digest(): key for key in _footprint(soroban)}
    return owners


def _key_columns(key_xdr: bytes) -> tuple[str, str, str]:
    """Give the columns from `contract_id` to `key` of a LedgerKey of contract data."""
    contract_id, at = SC_ADDRESS.read(key_xdr, 4)
    key, _ = SC_VAL.text(key_xdr, at)
    return contract_id, "persistent" if is_persistent(key_xdr) else "temporary", key


def _footprint(soroban: Soroban) -> Iterator[bytes]:
    """Give the keys of contract data and code at the front of the SorobanResources."""
    _, (_, xdr), _ = soroban
    at = 0
    for _ in range(2):
        count, at = count_items(xdr, at), at + 4
        for _ in range(count):
            end = LEDGER_KEY.skip(xdr, at)
            key_xdr, at = xdr[at:end], end
            if key_xdr.startswith(_WITH_TTL):
                yield key_xdr
