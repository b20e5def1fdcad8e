"""Read the database for a status; no statement scans a large table.

Each part has a transaction and a time limit, so a lock or a missing right affects it alone.
"""

from collections.abc import Sequence
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, Row, text

from sorobanflow.ledgers import LedgerRange, merge
from sorobanflow.status.model import (
    MAX_SHOWN,
    Archive,
    Gap,
    Quarantine,
    QuarantineCount,
    Ranges,
    Stream,
)
from sorobanflow.store.archives import read_archives, read_dropped
from sorobanflow.store.session import with_settings
from sorobanflow.store.tables import metadata

#: A statement that takes longer, or waits longer for a lock, is reported as a problem.
STATEMENT_TIMEOUT_MS = 5000
#: Items in quarantine that are counted at most.
MAX_QUARANTINE = 10_000


def bounded(engine: Engine) -> Engine:
    """Give the engine with read-only transactions whose statements are limited in time."""
    limit = f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"
    return with_settings(engine, f"SET TRANSACTION READ ONLY; {limit}")


def read_revision(engine: Engine) -> str | None:
    """Read the schema's revision; None: no tables."""
    with engine.begin() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def read_size(engine: Engine) -> tuple[str | None, int | None]:
    """Read the name of the database and its size on disk in bytes."""
    query = "SELECT current_database(), pg_database_size(current_database())"
    ((name, size_bytes),) = _rows(engine, query)
    return name, size_bytes


def read_passphrase(engine: Engine) -> str | None:
    """Read the passphrase of the network that the database is pinned to."""
    rows = _rows(engine, "SELECT passphrase FROM network")
    return str(rows[0][0]) if rows else None


def read_id(engine: Engine) -> str | None:
    """Read what identifies the database; None: it is not in use, or of an older version."""
    rows = _rows(engine, "SELECT to_jsonb(n) ->> 'database_id' FROM network AS n")
    return rows[0][0] if rows else None


def read_row_counts(engine: Engine) -> dict[str, int | None]:
    """Estimate the rows of each table: the live count of the statistics, else the planner's."""
    # Both are 0 or less before the first count, also in a table that has rows.
    query = (
        "SELECT t.relname, sum(coalesce(nullif(s.n_live_tup, 0), "
        "CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint "
        "WHEN c.reltuples = 0 OR pg_relation_size(c.oid) = 0 THEN 0 END))::bigint "
        "FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace "
        "LEFT JOIN pg_inherits i ON i.inhparent = t.oid "
        "JOIN pg_class c ON c.oid = coalesce(i.inhrelid, t.oid) "
        "LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid "
        "WHERE t.relkind IN ('r', 'p') AND n.nspname IN ('public', 'stored') "
        "AND t.relname = ANY(:names) GROUP BY 1 ORDER BY 1"
    )
    names = [table.name for table in metadata.sorted_tables]
    return {name: rows for name, rows in _rows(engine, query, names=names)}  # noqa: C416 - typed


def read_streams(engine: Engine) -> list[Stream]:
    """Read the streams by name, without their ranges."""
    # `advanced_at` is read as JSON, because the schema of an older version lacks it.
    query = (
        "SELECT stream, filter::text, indexed_from, "
        "(SELECT closed_at FROM ledgers WHERE sequence = upper(c.ledgers) - 1), "
        "((to_jsonb(c) - 'ledgers') ->> 'advanced_at')::timestamptz "
        "FROM coverage AS c ORDER BY stream"
    )
    return [
        Stream(name, filter_json, indexed_from, closed_at=closed_at, advanced_at=advanced_at)
        for name, filter_json, indexed_from, closed_at, advanced_at in _rows(engine, query)
    ]


def read_gaps(engine: Engine, stream: str) -> tuple[Gap, ...]:
    """Read the gaps of a stream that were recorded last, newest first."""
    query = (
        "SELECT first_ledger, last_ledger, reason, first_seen FROM gaps WHERE stream = :stream "
        "ORDER BY first_seen DESC, first_ledger DESC LIMIT :max"
    )
    return tuple(
        Gap(LedgerRange(first, last), reason, first_seen)
        for first, last, reason, first_seen in _rows(engine, query, stream=stream, max=MAX_SHOWN)
    )


def read_quarantine(engine: Engine) -> Quarantine:
    """Count the quarantine by kind and stream, up to `MAX_QUARANTINE` items."""
    query = (
        "SELECT kind, stream, count(*), max(first_seen) FROM "
        "(SELECT kind, stream, first_seen FROM quarantine LIMIT :max) AS q "
        "GROUP BY kind, stream ORDER BY kind, stream"
    )
    rows = _rows(engine, query, max=MAX_QUARANTINE + 1)
    counts = tuple(QuarantineCount(*row) for row in rows)
    return Quarantine(counts, sum(one.items for one in counts) > MAX_QUARANTINE)


def read_archive(engine: Engine) -> Archive:
    """Read what was archived and dropped."""
    with engine.begin() as connection:
        files, dropped = read_archives(connection), read_dropped(connection)
    ledgers = merge(one.ledgers for one in files)
    size_bytes = sum(one.bytes for one in files)
    return Archive(Ranges.of(ledgers), size_bytes, Ranges.of(dropped))


def _rows(engine: Engine, query: str, **values: object) -> Sequence[Row[Any]]:
    with engine.begin() as connection:
        return connection.execute(text(query), values).all()
