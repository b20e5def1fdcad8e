"""Quarantine: items that could not be decoded, kept whole as rows, in the batch's transaction.

An item leaves when it is stored after all; one without an id cannot be matched, so it stays.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.encoded import EncodedBatch


def read_quarantine(
    connection: "psycopg.Connection[Any]", ledgers: LedgerRange
) -> "psycopg.Cursor[tuple[str, str]]":
    """Read kind and key of the ledgers' items, for `update_quarantine`."""
    return connection.execute(
        "SELECT kind, key FROM quarantine WHERE ledger BETWEEN %s AND %s",
        (ledgers.first, ledgers.last),
    )


def update_quarantine(
    connection: "psycopg.Connection[Any]",
    quarantined: Sequence[tuple[str, str]],
    rows: EncodedBatch,
    stream: str,
) -> None:
    """Add the bad items of a stream's batch; remove those of `quarantined` that it stores."""
    if stored := _stored(quarantined, rows):
        connection.cursor().executemany(
            "DELETE FROM quarantine WHERE kind = %s AND key = %s", stored
        )
    if not rows.quarantine:
        return
    connection.cursor().executemany(
        "INSERT INTO quarantine AS q (kind, key, ledger, payload, error_class, error, stream) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (kind, key) DO UPDATE SET payload = excluded.payload, "
        "error_class = excluded.error_class, error = excluded.error, attempts = q.attempts + 1, "
        "stream = excluded.stream",
        [(*row, stream) for row in sorted(rows.quarantine)],
    )


def _stored(quarantined: Sequence[tuple[str, str]], rows: EncodedBatch) -> list[tuple[str, str]]:
    """Select the items that the batch holds as rows."""
    if not quarantined:
        return []
    bad = {(row.kind, row.key) for row in rows.quarantine}
    event_ids = rows.event_ids()
    keys = {
        "event": event_ids,
        "token_operation": event_ids,
        "transaction": rows.transaction_hashes(),
    }
    return [
        (kind, key)
        for kind, key in quarantined
        if (kind, key) not in bad and key in keys.get(kind, ())
    ]
