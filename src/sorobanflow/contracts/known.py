"""Read what the database knows of a contract: when it ran which Wasm, and what these declare."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from sorobanflow.contracts.schema_views import Version
from sorobanflow.contracts.spec import Spec
from sorobanflow.contracts.stored import read_spec
from sorobanflow.store.tables.contracts import contract_meta

_RANGES = text(
    "SELECT first_ledger, first_tx, last_ledger, last_tx, wasm_hash, source "
    "FROM stored.wasms_of(:contract) ORDER BY first_ledger, first_tx"
)
_IS_KNOWN = text(
    "SELECT EXISTS (SELECT FROM contracts WHERE contract_id = :contract) "
    "OR EXISTS (SELECT FROM events WHERE contract_id = :contract)"
)
_LAST = 2**31 - 2  # after all transactions, and all ledgers


class Range(NamedTuple):
    """Ledgers and transactions, both ends included, in which the contract ran a Wasm."""

    first_ledger: int
    first_tx: int
    last_ledger: int
    last_tx: int
    wasm_hash: str
    source: str

    def __str__(self) -> str:
        if (self.first_ledger, self.last_ledger) == (0, _LAST):
            return "every ledger"
        first = f", from transaction {self.first_tx}" if self.first_tx > 0 else ""
        last = f", to transaction {self.last_tx}" if self.last_tx < _LAST else ""
        return f"{self.first_ledger}{first} - {self.last_ledger}{last}"


def read_ranges(connection: Connection, contract_id: str) -> list[Range]:
    """Read the ranges in which it is proved what the contract ran, in order."""
    return [Range(*row) for row in connection.execute(_RANGES, {"contract": contract_id})]


def read_versions(connection: Connection, ranges: Sequence[Range]) -> list[Version]:
    """Read the specs of these ranges' Wasms, that which ran last at the end."""
    hashes = list(dict.fromkeys(one.wasm_hash for one in reversed(ranges)))
    return [Version(one, read_spec(connection, one) or Spec()) for one in reversed(hashes)]


def is_known(connection: Connection, contract_id: str) -> bool:
    """Tell whether anything of the contract is stored."""
    return bool(connection.execute(_IS_KNOWN, {"contract": contract_id}).scalar())


def read_meta(connection: Connection, wasm_hash: str) -> list[tuple[str, str]]:
    """Read what a Wasm says of its making."""
    meta = contract_meta.c
    query = select(meta.key, meta.value).where(meta.wasm_hash == wasm_hash)
    return [tuple(row) for row in connection.execute(query.order_by(meta.position))]
