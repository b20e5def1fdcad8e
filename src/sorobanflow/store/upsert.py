"""Write the rows of a batch and the coverage of its ledgers, in one transaction.

Every writer locks the ledgers first, then the tables in the same order, and within a table the
rows in the order of their keys, so concurrent writers cannot deadlock.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection, Engine, Table

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.store.answers import add_tokens
from sorobanflow.store.archives import guard_write, refuse_dropped
from sorobanflow.store.claims import Claims
from sorobanflow.store.copy import Row, copy_rows, sort_by_key
from sorobanflow.store.coverage import add_coverage, refuse_unopened
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.ledgers import (
    add_ledgers,
    check_headers,
    count_ledgers,
    lock_ledgers,
    read_neighbours,
)
from sorobanflow.store.merge import merge_rows
from sorobanflow.store.moving import move_rows
from sorobanflow.store.notify import notify
from sorobanflow.store.partitions import ensure_partitions
from sorobanflow.store.quarantine import read_quarantine, update_quarantine
from sorobanflow.store.replace import remove_surplus
from sorobanflow.store.seen import add_seen
from sorobanflow.store.tables import (
    OF_LEDGERS,
    STATE_TABLES,
    contract_calls,
    contract_specs,
)
from sorobanflow.store.tables.contracts import contracts

#: New rows of new ledgers: they are copied.
_OF_LEDGERS = (*OF_LEDGERS, contract_calls)


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
    make_room(engine, rows)
    with engine.begin() as connection:
        _write(driver_connection(connection), rows, stream, replaced, covers=True)
    return Written(rows.counts(), time.perf_counter() - began)


def make_room(engine: Engine, rows: BatchRows) -> None:
    """Make the partitions that a batch needs, and move old rows of its ledgers into them.

    Called before a transaction that writes its rows, or compares them with stored ones.
    """
    move_rows(engine, rows.ledgers)
    if rows.closed_at:
        ensure_partitions(engine, LedgerRange(min(rows.closed_at), max(rows.closed_at)))


def write_rows(
    connection: Connection, rows: BatchRows, stream: str, replaced: Claims | None = None
) -> None:
    """Store the rows of a batch in the caller's transaction, without coverage.

    There must be room for them (`make_room`).
    """
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
    replaces = replaced is not None
    if rows.quarantine:
        replaced = None  # what cannot be decoded now may be stored
    all_new = add_ledgers(connection, rows) and replaced is None
    all_new = all_new and _copy_rows_of_new_ledgers(connection, rows)
    merged = _by_table(rows, STATE_TABLES if all_new else (*_OF_LEDGERS, *STATE_TABLES))
    with connection.pipeline():
        stored = None if all_new else lock_ledgers(connection, rows)
        merge_rows(connection, merged, None if replaced is None else rows.ledgers, rows.is_whole)
        if replaced is not None:
            remove_surplus(connection, rows, replaced)
        if not all_new:
            count_ledgers(connection, rows)
        add_tokens(connection, rows.tokens)
        add_seen(connection, contracts, rows.contracts)
        add_seen(connection, contract_specs, rows.contract_specs)
        quarantined = read_quarantine(connection, rows.ledgers)
        dropped = guard_write(connection, rows.ledgers)
        covered = add_coverage(connection, stream, rows.ledgers) if covers else None
        neighbours = read_neighbours(connection, rows) if rows.headers else None
        if covers:
            notify(connection, stream, rows.ledgers)
    if neighbours is not None:
        found = [] if stored is None else stored.fetchall()
        check_headers(rows, found, neighbours.fetchall(), replaces=replaces)
    refuse_dropped(dropped)
    update_quarantine(connection, quarantined.fetchall(), rows, stream)
    if covered is not None:
        refuse_unopened(covered, stream)


def _by_table(rows: BatchRows, tables: Iterable[Table]) -> dict[Table, list[Row]]:
    """Select the rows of those tables that have any."""
    by_name = rows.by_table()
    return {table: its_rows for table in tables if (its_rows := by_name[table.name])}


def _copy_rows_of_new_ledgers(connection: "psycopg.Connection[Any]", rows: BatchRows) -> bool:
    """Copy rows in half the time of a merge; False, with nothing copied, if one exists."""
    try:
        for table, its_rows in _by_table(rows, _OF_LEDGERS).items():
            copy_rows(connection, table, sort_by_key(table, its_rows))
    except psycopg.errors.UniqueViolation:
        connection.execute("ROLLBACK TO before_rows")
        return False
    return True
