"""Records of the archive: which files hold which ledgers, and which ledgers were dropped.

Invariants: a record with rows says that its file holds the rows that the tables hold, or held
when they were dropped; nothing is written into dropped ledgers. Every writer takes a shared lock,
and removes the records of its ledgers, in its transaction. Records begin and ledgers become
dropped under the same lock alone: after that, whoever wrote has committed, and whoever writes
sees the record.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection, Engine, text

from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.ledgers import LedgerRange, clip, merge, ranges_text

_LOCK = 0x50B0F11  # any number, but not that of the migrations


class Archived(NamedTuple):
    """A file that holds a table's rows of these ledgers."""

    table: str
    ledgers: LedgerRange
    path: str
    rows: int
    bytes: int
    sha256: str


def keep_from_dropping(connection: Connection) -> None:
    """Have no ledgers become dropped, and no archive begin, until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _LOCK})


def guard_write(
    connection: "psycopg.Connection[Any]", ledgers: LedgerRange
) -> "psycopg.Cursor[Any]":
    """Forget the archives of ledgers that are about to be written; within a writer's transaction.

    The transaction passes the cursor to `refuse_dropped` once the statements are done.
    """
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_LOCK,))
    return connection.execute(
        "WITH gone AS (DELETE FROM archives AS a "
        "WHERE a.first_ledger <= %(last)s AND a.last_ledger >= %(first)s AND NOT EXISTS "
        "(SELECT FROM dropped AS d WHERE d.first_ledger = a.first_ledger)) "
        "SELECT first_ledger, last_ledger FROM dropped "
        "WHERE first_ledger <= %(last)s AND last_ledger >= %(first)s ORDER BY 1",
        ledgers._asdict(),
    )


def refuse_dropped(found: "psycopg.Cursor[Any]") -> None:
    """Raise ConfigurationError if `guard_write` found dropped ledgers."""
    if dropped := [LedgerRange(*row) for row in found.fetchall()]:
        raise ConfigurationError(refusal(dropped))


def refusal(dropped: Sequence[LedgerRange]) -> str:
    """Say that dropped ledgers are not indexed again, and what to do."""
    return (
        f"the rows of ledgers {ranges_text(dropped)} were dropped by the flow archive, so these "
        "ledgers are not indexed again; query their files, which the table archives names, or "
        "let the database have them again as docs/archive.md says"
    )


def read_dropped(connection: Connection) -> tuple[LedgerRange, ...]:
    """Read the ledgers whose rows were dropped; ascending and disjoint."""
    rows = connection.execute(text("SELECT first_ledger, last_ledger FROM dropped"))
    return tuple(merge(LedgerRange(*row) for row in rows))


def read_archives(connection: Connection, ledgers: LedgerRange | None = None) -> list[Archived]:
    """Read the records of files that were compared, by ledger and table."""
    rows = connection.execute(
        text(
            "SELECT table_name, first_ledger, last_ledger, path, rows, bytes, sha256 "
            "FROM archives WHERE rows IS NOT NULL ORDER BY first_ledger, table_name"
        )
    )
    found = [Archived(row[0], LedgerRange(row[1], row[2]), *row[3:]) for row in rows]
    return [one for one in found if ledgers is None or clip([one.ledgers], ledgers)]


def begin_archive(engine: Engine, table: str, ledgers: LedgerRange, path: str) -> datetime:
    """Record that a file is being written; gives the moment, which names this attempt."""
    with engine.begin() as connection:
        _lock_out_writers(connection)
        begun_at: datetime = connection.execute(
            text(
                "INSERT INTO archives (table_name, first_ledger, last_ledger, path, begun_at) "
                "VALUES (:table, :first, :last, :path, clock_timestamp()) "
                "ON CONFLICT (table_name, first_ledger) DO UPDATE SET "
                "last_ledger = excluded.last_ledger, path = excluded.path, rows = NULL, "
                "bytes = NULL, sha256 = NULL, written_at = NULL, begun_at = excluded.begun_at "
                "RETURNING begun_at"
            ),
            {"table": table, **ledgers._asdict(), "path": path},
        ).scalar_one()
    return begun_at


def finish_archive(engine: Engine, archived: Archived, begun_at: datetime) -> None:
    """Record that the file holds the table's rows.

    Raises:
        RetriableError: the ledgers were written meanwhile, or another run archives them.
    """
    with engine.begin() as connection:
        finished = connection.execute(
            text(
                "UPDATE archives SET rows = :rows, bytes = :bytes, sha256 = :sha256, "
                "written_at = now() WHERE table_name = :table AND first_ledger = :first "
                "AND begun_at = :begun_at"
            ),
            {**archived._asdict(), "first": archived.ledgers.first, "begun_at": begun_at},
        )
    if not finished.rowcount:
        raise RetriableError(
            f"ledgers {archived.ledgers} of {archived.table} were indexed again, or archived by "
            "another run, while they were read; run archive again"
        )


def mark_dropped(engine: Engine, ledgers: LedgerRange, tables: Sequence[str] = ()) -> bool:
    """Record ledgers as dropped, before their partition is; False: a table's file is missing.

    `tables`: those that need the record of a file.
    """
    with engine.begin() as connection:
        _lock_out_writers(connection)
        if clip(read_dropped(connection), ledgers):
            return True
        held = {one.table for one in read_archives(connection) if one.ledgers == ledgers}
        if not held.issuperset(tables):
            return False
        connection.execute(
            text(
                "INSERT INTO dropped (first_ledger, last_ledger) VALUES (:first, :last) "
                "ON CONFLICT DO NOTHING"
            ),
            ledgers._asdict(),
        )
    return True


def _lock_out_writers(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
