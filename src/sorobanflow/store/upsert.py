"""Write the rows of a batch and the coverage of its ledgers, in one transaction.

Every writer locks the ledgers first, then the tables in the same order, and within a table the
rows in the order of their keys, so concurrent writers cannot deadlock.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection, Engine, Table

from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.store.claims import Claims
from sorobanflow.store.copy import Row, copy_rows, sort_by_key
from sorobanflow.store.coverage import add_coverage, refuse_unopened
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.merge import merge_rows
from sorobanflow.store.quarantine import read_quarantine, update_quarantine
from sorobanflow.store.replace import remove_surplus
from sorobanflow.store.tables import HISTORY_TABLES, STATE_TABLES
from sorobanflow.store.tokens import add_tokens


class Written(NamedTuple):
    """Rows per table that an upsert stored, and its duration with the wait for a connection."""

    rows: Mapping[str, int]
    seconds: float


def upsert_batch(
    engine: Engine, rows: BatchRows, stream: str, replaced: Claims | None = None
) -> Written:
    """Store the rows of a batch, and its coverage in a stream that was opened.

    `replaced`: the claims on its ledgers; then the rows that the batch does not have go.
    """
    began = time.perf_counter()
    with engine.begin() as connection:
        _write(driver_connection(connection), rows, stream, replaced, covers=True)
    return Written(rows.counts(), time.perf_counter() - began)


def write_rows(
    connection: Connection, rows: BatchRows, stream: str, replaced: Claims | None = None
) -> None:
    """Store the rows of a batch in the caller's transaction, without coverage."""
    _write(driver_connection(connection), rows, stream, replaced, covers=False)


def _write(
    connection: "psycopg.Connection[Any]",
    rows: BatchRows,
    stream: str,
    replaced: Claims | None,
    *,
    covers: bool,
) -> None:
    """Write the rows; all statements after the copying share one round trip."""
    if rows.quarantine:
        replaced = None  # what cannot be decoded now may be stored
    all_new = _add_ledgers(connection, rows) and replaced is None
    all_new = all_new and _copy_rows_of_new_ledgers(connection, rows)
    merged = _by_table(rows, STATE_TABLES if all_new else (*HISTORY_TABLES, *STATE_TABLES))
    with connection.pipeline():
        if not all_new:
            _lock_ledgers(connection, rows)
        merge_rows(connection, merged, None if replaced is None else rows.ledgers)
        if replaced is not None:
            remove_surplus(connection, rows, replaced)
        if not all_new:
            _count_ledgers(connection, rows)
        add_tokens(connection, rows.tokens)
        quarantined = read_quarantine(connection, rows.ledgers)
        covered = add_coverage(connection, stream, rows.ledgers) if covers else None
    update_quarantine(connection, quarantined.fetchall(), rows, stream)
    if covered is not None:
        refuse_unopened(covered, stream)


def _by_table(rows: BatchRows, tables: Iterable[Table]) -> dict[Table, list[Row]]:
    """Select the rows of those tables that have any."""
    by_name = rows.by_table()
    return {table: its_rows for table in tables if (its_rows := by_name[table.name])}


def _add_ledgers(connection: "psycopg.Connection[Any]", rows: BatchRows) -> bool:
    """Insert the ledgers with the counts of their rows; True if no ledger existed.

    No table holds a row of a new ledger: each stored row's ledger has a row here, and a
    concurrent writer of the same ledger waits. The savepoint shares the round trip.
    """
    new = ledger_rows(rows)
    with connection.pipeline():
        added = connection.execute(
            "INSERT INTO ledgers (sequence, closed_at, transaction_count, event_count) "
            "SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::int[]) AS new "
            "ORDER BY 1 ON CONFLICT DO NOTHING",
            [list(column) for column in zip(*new, strict=True)] or [[]] * 4,
        )
        connection.execute("SAVEPOINT before_rows")
    return added.rowcount == len(new)


def ledger_rows(rows: BatchRows) -> list[Row]:
    """Make the rows of `ledgers`, with the numbers of a batch's transactions and events."""
    transactions = Counter(row.ledger for row in rows.transactions)
    events = Counter(row.ledger for row in rows.events)
    return [
        (ledger, closed_at, transactions[ledger], events[ledger])
        for ledger, closed_at in sorted(rows.closed_at.items())
    ]


def _copy_rows_of_new_ledgers(connection: "psycopg.Connection[Any]", rows: BatchRows) -> bool:
    """Copy rows in half the time of a merge; False, with nothing copied, if one exists."""
    try:
        for table, its_rows in _by_table(rows, HISTORY_TABLES).items():
            copy_rows(connection, table, sort_by_key(table, its_rows))
    except psycopg.errors.UniqueViolation:
        connection.execute("ROLLBACK TO before_rows")
        return False
    return True


def _lock_ledgers(connection: "psycopg.Connection[Any]", rows: BatchRows) -> None:
    """Wait for concurrent writers of the ledgers, so that `_count_ledgers` sees their rows."""
    connection.execute(
        "SELECT FROM ledgers WHERE sequence = ANY(%s) ORDER BY sequence FOR UPDATE",
        (sorted(rows.closed_at),),
    )


def _count_ledgers(connection: "psycopg.Connection[Any]", rows: BatchRows) -> None:
    """Update the ledgers' rows: the counts from tables that may hold rows of other streams."""
    connection.execute(
        "UPDATE ledgers SET closed_at = new.closed_at, transaction_count = t.n, event_count = e.n "
        "FROM unnest(%s::int[], %s::timestamptz[]) AS new (sequence, closed_at), "
        "LATERAL (SELECT count(*) AS n FROM transactions WHERE ledger = new.sequence) AS t, "
        "LATERAL (SELECT count(*) AS n FROM events WHERE ledger = new.sequence) AS e "
        "WHERE ledgers.sequence = new.sequence "
        "AND (ledgers.closed_at, ledgers.transaction_count, ledgers.event_count) "
        "IS DISTINCT FROM (new.closed_at, t.n, e.n)",
        (list(rows.closed_at), list(rows.closed_at.values())),
    )
