"""Write a batch: every table and the coverage of its ledgers, in one transaction.

A batch is in the database whole, with its coverage, or not at all. Every writer
takes the ledgers first and then the tables in the same order, and within a table
the rows in that of their keys, so writers side by side cannot deadlock.
"""

import time
from collections import Counter
from operator import itemgetter
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine

from sorobanflow.rows.batch import Batch
from sorobanflow.store.copy import copy_rows
from sorobanflow.store.coverage import add_coverage, refuse_unopened
from sorobanflow.store.merge import merge_staged, stage_rows
from sorobanflow.store.quarantine import read_quarantine, write_quarantine
from sorobanflow.store.tables import BATCH_TABLES, STATE_TABLES


class BatchWrite:
    """A batch that is to be stored with its coverage.

    Attributes:
        batch: Rows of whole ledgers.
        seconds: What storing it took, once it is stored.
    """

    def __init__(self, engine: Engine, batch: Batch, stream: str) -> None:
        self.batch = batch
        self.seconds = 0.0
        self._engine = engine
        self._stream = stream

    def run(self) -> None:
        """Store it."""
        began = time.perf_counter()
        upsert_batch(self._engine, self.batch, self._stream)
        self.seconds = time.perf_counter() - began


def upsert_batch(engine: Engine, batch: Batch, stream: str) -> None:
    """Store a batch and its coverage.

    Raises:
        SchemaError: the stream was not opened.
    """
    with engine.begin() as connection:
        _write(driver_connection(connection), batch, stream, covers=True)


def write_rows(connection: Connection, batch: Batch, stream: str) -> None:
    """Store a batch's rows in the caller's transaction, but not their coverage."""
    _write(driver_connection(connection), batch, stream, covers=False)


def _write(
    connection: "psycopg.Connection[Any]", batch: Batch, stream: str, *, covers: bool
) -> None:
    cursor, held, covered = connection.cursor(), connection.cursor(), connection.cursor()
    are_new = _add_ledgers(cursor, batch) and _copy_new(cursor, batch)
    tables = STATE_TABLES if are_new else (*BATCH_TABLES, *STATE_TABLES)
    rows = {table: rows for table in tables if (rows := getattr(batch, table.name))}
    stage_rows(cursor, rows)
    with connection.pipeline():  # one round trip for all of it
        if not are_new:
            _lock_ledgers(cursor, batch)
        merge_staged(cursor, rows)
        if not are_new:
            _count_ledgers(cursor, batch)
        read_quarantine(held, batch.ledgers)
        if covers:
            add_coverage(covered, stream, batch.ledgers)
    write_quarantine(cursor, held.fetchall(), batch, stream)
    if covers:
        refuse_unopened(covered, stream)


def driver_connection(connection: Connection) -> "psycopg.Connection[Any]":
    """The psycopg connection beneath: COPY is not in SQLAlchemy's reach."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _add_ledgers(cursor: "psycopg.Cursor[Any]", batch: Batch) -> bool:
    """Make the ledgers' rows, with what the batch holds of them; whether all are new.

    A ledger of which anything is stored has a row, and a writer side by side waits
    here for the one that makes it. So of new ledgers no table holds anything yet. The
    savepoint is set in the same round trip; `_copy_new` goes back to it.
    """
    sequences = sorted(batch.closed_at)
    transactions = Counter(row.ledger for row in batch.transactions)
    events = Counter(row.ledger for row in batch.events)
    with cursor.connection.pipeline():
        cursor.execute(
            "INSERT INTO ledgers (sequence, closed_at, transaction_count, event_count) "
            "SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::int[]) AS new "
            "ORDER BY 1 ON CONFLICT DO NOTHING",
            (
                sequences,
                [batch.closed_at[sequence] for sequence in sequences],
                [transactions[sequence] for sequence in sequences],
                [events[sequence] for sequence in sequences],
            ),
        )
        cursor.connection.execute("SAVEPOINT before_rows")
    return cursor.rowcount == len(sequences)


def _copy_new(cursor: "psycopg.Cursor[Any]", batch: Batch) -> bool:
    """Copy what happened in new ledgers straight into its tables: half the time of a merge.

    False, and nothing is copied, where a row is there all the same.
    """
    try:
        for table in BATCH_TABLES:
            if rows := getattr(batch, table.name):
                keys = [table.columns.keys().index(key.name) for key in table.primary_key]
                copy_rows(cursor, table, sorted(rows, key=itemgetter(*keys)))
    except psycopg.errors.UniqueViolation:
        cursor.execute("ROLLBACK TO before_rows")
        return False
    return True


def _lock_ledgers(cursor: "psycopg.Cursor[Any]", batch: Batch) -> None:
    """Wait for whoever writes rows of the ledgers, so that counting sees them."""
    cursor.execute(
        "SELECT FROM ledgers WHERE sequence = ANY(%s) ORDER BY sequence FOR UPDATE",
        (sorted(batch.closed_at),),
    )


def _count_ledgers(cursor: "psycopg.Cursor[Any]", batch: Batch) -> None:
    """Count what the ledgers hold, from the tables: another stream may have stored other rows."""
    cursor.execute(
        "UPDATE ledgers SET transaction_count = t.n, event_count = e.n "
        "FROM unnest(%s::int[]) AS new (sequence), "
        "LATERAL (SELECT count(*) AS n FROM transactions WHERE ledger = new.sequence) AS t, "
        "LATERAL (SELECT count(*) AS n FROM events WHERE ledger = new.sequence) AS e "
        "WHERE ledgers.sequence = new.sequence "
        "AND (ledgers.transaction_count, ledgers.event_count) IS DISTINCT FROM (t.n, e.n)",
        (sorted(batch.closed_at),),
    )
