"""Write a batch: every table and the coverage of its ledgers, in one transaction.

A batch is in the database whole, with its coverage, or not at all. Every writer
takes the tables in the same order, and within a table the rows in that of their
keys, so writers side by side cannot deadlock.
"""

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine

from sorobanflow.rows.batch import Batch
from sorobanflow.store import tables
from sorobanflow.store.coverage import add_coverage
from sorobanflow.store.merge import merge_rows
from sorobanflow.store.quarantine import write_quarantine


def upsert_batch(engine: Engine, batch: Batch, stream: str) -> None:
    """Store a batch and its coverage.

    Raises:
        SchemaError: the stream was not opened.
    """
    with engine.begin() as connection:
        write_rows(connection, batch, stream)
        add_coverage(connection, stream, batch.ledgers)


def write_rows(connection: Connection, batch: Batch, stream: str) -> None:
    """Store a batch's rows in the caller's transaction, but not their coverage."""
    cursor = driver_connection(connection).cursor()
    for table in (*tables.BATCH_TABLES, *tables.STATE_TABLES):
        merge_rows(cursor, table, getattr(batch, table.name))
    _count_ledgers(cursor, batch)
    write_quarantine(cursor, batch, stream)


def driver_connection(connection: Connection) -> "psycopg.Connection[Any]":
    """The psycopg connection beneath: COPY is not in SQLAlchemy's reach."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _count_ledgers(cursor: "psycopg.Cursor[Any]", batch: Batch) -> None:
    """Make the ledgers' rows and count what they hold.

    Counted from the tables, because another stream may store other rows of the
    same ledger. The rows are locked first: the count's snapshot then sees what
    a writer side by side has committed.
    """
    sequences = sorted(batch.closed_at)
    if not sequences:
        return
    cursor.execute(
        "INSERT INTO ledgers (sequence, closed_at, transaction_count, event_count) "
        "SELECT sequence, closed_at, 0, 0 "
        "FROM unnest(%s::int[], %s::timestamptz[]) AS new (sequence, closed_at) "
        "ORDER BY sequence ON CONFLICT DO NOTHING",
        (sequences, [batch.closed_at[sequence] for sequence in sequences]),
    )
    cursor.execute(
        "SELECT FROM ledgers WHERE sequence = ANY(%s) ORDER BY sequence FOR UPDATE", (sequences,)
    )
    cursor.execute(
        "UPDATE ledgers SET transaction_count = t.n, event_count = e.n "
        "FROM unnest(%s::int[]) AS new (sequence), "
        "LATERAL (SELECT count(*) AS n FROM transactions WHERE ledger = new.sequence) AS t, "
        "LATERAL (SELECT count(*) AS n FROM events WHERE ledger = new.sequence) AS e "
        "WHERE ledgers.sequence = new.sequence "
        "AND (ledgers.transaction_count, ledgers.event_count) IS DISTINCT FROM (t.n, e.n)",
        (sequences,),
    )
