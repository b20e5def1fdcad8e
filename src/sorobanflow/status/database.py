"""Read the database for a status: statements that touch no big table but by its index.

Each part is read in a read-only transaction of its own with a time limit, so a
lock, a missing table or right costs that part and not the others.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, text

from sorobanflow.ledgers import LedgerRange
from sorobanflow.status.model import SHOWN, SHOWN_STREAMS, Gap, Quarantine, QuarantineCount, Table
from sorobanflow.store.tables import metadata

#: A lock that is not free by then, or a statement that takes longer, is a problem in itself.
STATEMENT_TIMEOUT_MS = 5000
#: Items of the quarantine that are counted at most.
COUNTED_QUARANTINE = 10_000


class Name(NamedTuple):
    """The name of a database, and its bytes on disk."""

    name: str | None
    size_bytes: int | None


class StreamRow(NamedTuple):
    """A row of coverage without its ranges; `closed_at` is of its newest ledger, if stored."""

    name: str
    filter: str | None
    indexed_from: int | None
    advanced_at: datetime | None
    closed_at: datetime | None


@contextmanager
def bounded(engine: Engine) -> Iterator[Engine]:
    """Give the engine, its transactions read only and their statements limited in time."""
    limited = engine.execution_options()

    def limit(connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")

    event.listen(limited, "begin", limit)
    try:
        yield limited
    finally:
        event.remove(limited, "begin", limit)


def read_name(engine: Engine) -> Name:
    """Give the name of the database, and its bytes on disk."""
    query = text("SELECT current_database(), pg_database_size(current_database())")
    with engine.begin() as connection:
        return Name(*connection.execute(query).one())


def read_revision(engine: Engine) -> str | None:
    """Give the schema's revision; None: no tables."""
    with engine.begin() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def read_passphrase(engine: Engine) -> str | None:
    """Give the passphrase of the network that the database is pinned to."""
    with engine.begin() as connection:
        return connection.execute(text("SELECT passphrase FROM network")).scalar()


def read_tables(engine: Engine) -> tuple[Table, ...]:
    """Estimate the rows of each table: the live count of the statistics, else the planner's.

    Both are 0 or less where nobody counted yet, also in a table that has rows.
    """
    query = text(
        "SELECT c.relname, coalesce(nullif(s.n_live_tup, 0), "
        "CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint "
        "WHEN c.reltuples = 0 OR pg_relation_size(c.oid) = 0 THEN 0 END) "
        "FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid "
        "WHERE c.relkind = 'r' AND c.relname = ANY(:names) AND pg_table_is_visible(c.oid)"
    )
    names = [table.name for table in metadata.sorted_tables]
    with engine.begin() as connection:
        rows = dict(connection.execute(query, {"names": names}).tuples().all())
    return tuple(Table(name, rows[name]) for name in sorted(rows))


def read_streams(engine: Engine) -> list[StreamRow]:
    """Read the streams by name, one more than are shown.

    As JSON the row has `advanced_at` where the schema has it: a schema that is
    behind is no reason to say nothing.
    """
    query = text(
        "SELECT stream, filter::text, indexed_from, "
        "((to_jsonb(c) - 'ledgers') ->> 'advanced_at')::timestamptz, "
        "(SELECT closed_at FROM ledgers WHERE sequence = upper(c.ledgers) - 1) "
        "FROM coverage AS c ORDER BY stream LIMIT :most"
    )
    with engine.begin() as connection:
        return [StreamRow(*row) for row in connection.execute(query, {"most": SHOWN_STREAMS + 1})]


def read_gaps(engine: Engine, stream: str) -> tuple[Gap, ...]:
    """Read the gaps of a stream that were recorded last, newest first."""
    query = text(
        "SELECT first_ledger, last_ledger, reason, first_seen FROM gaps WHERE stream = :stream "
        "ORDER BY first_seen DESC, first_ledger DESC LIMIT :most"
    )
    with engine.begin() as connection:
        return tuple(
            Gap(LedgerRange(first, last), reason, seen)
            for first, last, reason, seen in connection.execute(
                query, {"stream": stream, "most": SHOWN}
            )
        )


def read_quarantine(engine: Engine) -> Quarantine:
    """Count the quarantine by kind and stream, up to `COUNTED_QUARANTINE` items."""
    query = text(
        "SELECT kind, stream, count(*), max(first_seen) FROM "
        "(SELECT kind, stream, first_seen FROM quarantine LIMIT :most) AS q "
        "GROUP BY kind, stream ORDER BY kind, stream"
    )
    with engine.begin() as connection:
        rows = connection.execute(query, {"most": COUNTED_QUARANTINE + 1})
        counts = tuple(QuarantineCount(*row) for row in rows)
    return Quarantine(counts, sum(one.items for one in counts) > COUNTED_QUARANTINE)
