"""Write the table `ledgers`, and keep the chain of its headers whole.

Headers come with whole ledgers only. Invariants: a ledger's header is never lost to a batch of
events and transactions, which has none, and never changed by a batch that does not replace it; a
stored header follows the one before it, whichever batches and runs brought them.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from sorobanflow.errors import LedgerProofError
from sorobanflow.rows.headers import HeaderRow
from sorobanflow.store.copy import execute_with_arrays
from sorobanflow.store.encoded import EncodedBatch
from sorobanflow.store.layouts import layout_of
from sorobanflow.store.tables import events, ledgers, operations, transactions

#: The columns that only whole ledgers fill.
HEADER_COLUMNS = HeaderRow._fields
_TYPES = layout_of(ledgers).columns


def add_ledgers(connection: "psycopg.Connection[Any]", rows: EncodedBatch) -> bool:
    """Insert the ledgers with the counts of their rows; True if no ledger existed.

    No table holds a row of a new ledger: each stored row's ledger has a row here, and a
    concurrent writer of the same ledger waits. The savepoint shares the round trip.
    """
    with connection.pipeline():
        added = execute_with_arrays(connection, _INSERT, rows.ledger_rows)
        connection.execute("SAVEPOINT before_rows")
    return added.rowcount == len(rows.closed_at)


def lock_ledgers(
    connection: "psycopg.Connection[Any]", rows: EncodedBatch
) -> "psycopg.Cursor[tuple[int, str | None]]":
    """Wait for concurrent writers of the ledgers, so that `count_ledgers` sees their rows.

    The cursor has the ledgers and their stored hashes, for `check_headers`.
    """
    return execute_with_arrays(connection, _LOCK, rows.ledger_rows)


def count_ledgers(connection: "psycopg.Connection[Any]", rows: EncodedBatch) -> None:
    """Update the ledgers' rows: the counts from tables that may hold rows of other streams."""
    execute_with_arrays(connection, _UPDATE, rows.ledger_rows)


def read_neighbours(
    connection: "psycopg.Connection[Any]", rows: EncodedBatch
) -> "psycopg.Cursor[tuple[int, str | None, str | None]]":
    """Read the headers of the ledgers before and after a batch, for `check_headers`.

    Called under the lock of `add_coverage`, which shows the batches committed before.
    """
    return connection.execute(
        "SELECT sequence, hash, previous_hash FROM ledgers WHERE sequence IN (%s, %s)",
        (rows.ledgers.first - 1, rows.ledgers.last + 1),
    )


def check_headers(
    rows: EncodedBatch,
    stored: Sequence[tuple[int, str | None]],
    neighbours: Sequence[tuple[int, str | None, str | None]],
    *,
    replaces: bool,
) -> None:
    """Check that the batch's headers are those that are stored, and follow their neighbours.

    Where a batch replaces ledgers of another chain, its neighbours may be of that chain too, and
    be replaced next: the audit tells where the chain is broken in the end.

    Raises:
        LedgerProofError: they are not; nothing of the batch may be committed.
    """
    headers = rows.headers
    other = [(n, known) for n, known in stored if known and known != headers[n].hash]
    if other and replaces:
        return
    for ledger, known in other:
        said = f"it is {headers[ledger].hash}, but the database holds {known}"
        raise LedgerProofError(ledger, "stored hash", said)
    first, last = rows.ledgers
    for ledger, stored_hash, previous in neighbours:
        if ledger < first and stored_hash is not None:
            _refuse_break(first, headers[first].previous_hash, stored_hash)
        elif ledger > last and previous is not None:
            _refuse_break(ledger, previous, headers[last].hash)


def _refuse_break(ledger: int, stated: str, before: str) -> None:
    if stated != before:
        said = f"it states {stated}, but the hash of ledger {ledger - 1} is {before}"
        raise LedgerProofError(ledger, "previous hash", said)


def _unnest(columns: Sequence[str]) -> str:
    return f"unnest({', '.join(f'%({name})s::{_TYPES[name]}[]' for name in columns)})"


def _count(rows: str) -> str:
    """Count rows of a ledger that came whole."""
    came_whole = "coalesce(new.hash, l.hash) IS NOT NULL"
    return f"CASE WHEN {came_whole} THEN (SELECT count(*) FROM {rows}) END"  # noqa: S608


_NAMES = ledgers.columns.keys()
_INSERT = (
    f"INSERT INTO ledgers ({', '.join(_NAMES)}) "  # noqa: S608 - names of our own columns
    f"SELECT * FROM {_unnest(_NAMES)} AS new ORDER BY 1 ON CONFLICT DO NOTHING"
).encode()

_LOCK = (
    b"SELECT sequence, hash FROM ledgers WHERE sequence = ANY(%(sequence)s::int[]) "
    b"ORDER BY sequence FOR UPDATE"
)
_UPDATED = ("sequence", "closed_at", *HEADER_COLUMNS)
_AFTER = {
    "closed_at": "new.closed_at",
    "transaction_count": "t.n",
    "event_count": "e.n",
    **{name: f"coalesce(new.{name}, l.{name})" for name in HEADER_COLUMNS},
    "operation_count": _count(f"{operations.fullname} WHERE ledger = l.sequence"),
    "failed_transaction_count": _count(
        f"{transactions.fullname} WHERE ledger = l.sequence AND NOT successful"
    ),
    "proved": "(new.proved OR l.proved)",
}
_UPDATE = (
    f"UPDATE ledgers AS l SET {', '.join(f'{name} = {value}' for name, value in _AFTER.items())} "  # noqa: S608
    f"FROM {_unnest(_UPDATED)} AS new ({', '.join(_UPDATED)}), "
    f"LATERAL (SELECT count(*) AS n FROM {transactions.fullname} "
    "WHERE ledger = new.sequence) AS t, "
    f"LATERAL (SELECT count(*) AS n FROM {events.fullname} WHERE ledger = new.sequence) AS e "
    f"WHERE l.sequence = new.sequence AND ({', '.join(f'l.{name}' for name in _AFTER)}) "
    f"IS DISTINCT FROM ({', '.join(_AFTER.values())})"
).encode()
