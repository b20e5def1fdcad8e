"""Quarantine: what could not be decoded, kept whole, as rows.

Written in the batch's transaction, so that no item is ever only logged. An
item leaves when it is stored after all; one without an id of its own stays,
because nothing can tell that another item took its place.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch import Batch


def read_quarantine(cursor: "psycopg.Cursor[Any]", ledgers: LedgerRange) -> None:
    """Read what is held of the ledgers; `write_quarantine` wants it."""
    cursor.execute(
        "SELECT kind, key FROM quarantine WHERE ledger BETWEEN %s AND %s",
        (ledgers.first, ledgers.last),
    )


def write_quarantine(
    cursor: "psycopg.Cursor[Any]", held: Sequence[tuple[str, str]], batch: Batch, stream: str
) -> None:
    """Put the batch's bad items in, and take out those that it stores.

    Args:
        cursor: In the batch's transaction.
        held: Kind and key of what is in for the batch's ledgers.
        batch: The batch.
        stream: The stream of coverage that fetched it.
    """
    if released := _released(held, batch):
        cursor.executemany("DELETE FROM quarantine WHERE kind = %s AND key = %s", released)
    if not batch.quarantine:
        return
    cursor.executemany(
        "INSERT INTO quarantine AS q (kind, key, ledger, payload, error_class, error, stream) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (kind, key) DO UPDATE SET payload = excluded.payload, "
        "error_class = excluded.error_class, error = excluded.error, attempts = q.attempts + 1, "
        "stream = excluded.stream",
        [(*row, stream) for row in sorted(batch.quarantine)],
    )


def _released(held: Sequence[tuple[str, str]], batch: Batch) -> list[tuple[str, str]]:
    if not held:
        return []
    bad = {(row.kind, row.key) for row in batch.quarantine}
    event_ids = {row.id for row in batch.events}
    stored = {
        "event": event_ids,
        "token_operation": event_ids,
        "transaction": {row.hash for row in batch.transactions},
    }
    return [
        (kind, key) for kind, key in held if (kind, key) not in bad and key in stored.get(kind, ())
    ]
