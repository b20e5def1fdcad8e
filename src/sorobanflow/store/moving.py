"""Move the rows of an older release into the partitions, while readers and writers go on.

A chunk of ledgers moves in one transaction, newest first, so each row is in one place at any
instant, and who is killed goes on where it stopped. Writers move the ledgers of their batch first:
they never meet an old row. One lock orders all who move. What is to be moved is in the schema
`unmoved` (`set_aside`).
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from sorobanflow.ledgers import LAST_LEDGER, LedgerRange
from sorobanflow.store.conversions import MOVE
from sorobanflow.store.known_partitions import known_partitions
from sorobanflow.store.partitions import ensure_partitions
from sorobanflow.store.tables import PARTITIONED

#: Ledgers of the first chunk; later ones have more or fewer, so that they take seconds.
FIRST_CHUNK = 16
MIN_CHUNK_S, MAX_CHUNK_S = 1.0, 4.0
MAX_CHUNK = 2**14  # more could have partitions made where there are no rows
#: Seconds that the last step waits for readers of the views before it lets others pass and asks
#: again.
LOCK_S = 2
_LOCK = 84610835
_EXISTS = text("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'unmoved')")
_NEWEST = text(
    "SELECT max(newest) FROM ("  # noqa: S608 - our own names
    + " UNION ALL ".join(
        f"SELECT max(ledger) FROM unmoved.{table.name} WHERE ledger BETWEEN :first AND :last"  # noqa: S608
        for table in PARTITIONED
    )
    + ") AS s (newest)"
)
_ESTIMATE = text(
    "SELECT CAST(sum(greatest(reltuples, 0)) AS bigint) FROM pg_class "
    "WHERE relnamespace = 'unmoved'::regnamespace AND relkind = 'r'"
)
_DEFINITION = text("SELECT pg_get_viewdef(CAST(:view AS regclass))")


class Moved(NamedTuple):
    """How far moving is."""

    ledgers: LedgerRange  # that were moved last; newer ones are moved
    rows: int  # that this process moved so far
    seconds: float  # that it took


def move_rows(engine: Engine, ledgers: LedgerRange) -> None:
    """Move what is stored of these ledgers in tables of an older release, if there are any."""
    known = known_partitions(engine)
    if not known.all_moved:
        for _ in _move_chunks(engine, ledgers):
            pass
        known.all_moved = not _exists(engine)


def estimate_unmoved(engine: Engine) -> int | None:
    """Estimate how many rows were to be moved when moving began; None: all are moved."""
    with engine.begin() as connection:
        if connection.execute(_EXISTS).scalar():
            return int(connection.execute(_ESTIMATE).scalar() or 0)
    return None


def move_all(engine: Engine, on_chunk: Callable[[Moved], object] = lambda moved: None) -> None:
    """Move all rows, and drop the tables that held them. Needs the tables' owner.

    May be called again after it was killed, and by two processes at once.
    """
    while _exists(engine):
        for moved in _move_chunks(engine, LedgerRange(0, LAST_LEDGER)):
            on_chunk(moved)
        try:
            _drop_old_tables(engine)
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise


def _move_chunks(engine: Engine, ledgers: LedgerRange) -> Iterator[Moved]:
    """Move chunk after chunk, from the newest ledger that holds something."""
    size, rows, began, rest = FIRST_CHUNK, 0, time.monotonic(), ledgers
    while (newest := _newest(engine, rest)) is not None:
        chunk = LedgerRange(max(rest.first, newest - size + 1), newest)
        started = time.monotonic()
        ensure_partitions(engine, chunk)
        rows += _move_chunk(engine, chunk)
        yield Moved(chunk, rows, time.monotonic() - began)
        took = time.monotonic() - started
        if took < MIN_CHUNK_S:
            size = min(size * 2, MAX_CHUNK)
        elif took > MAX_CHUNK_S:
            size = max(size // 2, 1)
        # Below the rows that were moved: their index entries stay, and would be read again.
        rest = LedgerRange(ledgers.first, chunk.first - 1)


def _newest(engine: Engine, ledgers: LedgerRange) -> int | None:
    """Return the newest ledger of which something is to be moved; None: there is none."""
    if ledgers.size < 1 or not _exists(engine):
        return None
    try:
        with engine.begin() as connection:
            newest: int | None = connection.execute(_NEWEST, ledgers._asdict()).scalar()
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.UndefinedTable):
            return None  # another process has just dropped them
        raise
    return newest


def _move_chunk(engine: Engine, ledgers: LedgerRange) -> int:
    """Move the rows of these ledgers; returns how many."""
    with engine.begin() as connection:
        if not _lock(connection):
            return 0
        return sum(connection.execute(one, ledgers._asdict()).rowcount for one in MOVE)


def _drop_old_tables(engine: Engine) -> None:
    """Drop the old tables if they are empty; the views read the new ones only."""
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_S}s'"))
        if not _lock(connection):
            return
        if connection.execute(_NEWEST, {"first": 0, "last": LAST_LEDGER}).scalar() is not None:
            return
        for table in PARTITIONED:
            new = f"unmoved.new_{table.name}"
            definition = connection.execute(_DEFINITION, {"view": new}).scalar()
            for statement in (
                f"CREATE OR REPLACE VIEW public.{table.name} AS {definition}",
                f"DROP VIEW {new}",
                f"DROP TABLE unmoved.{table.name}",
            ):
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        connection.execute(text("DROP SCHEMA unmoved"))


def _lock(connection: Connection) -> bool:
    """Wait for others who move; whether there is still something to move."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    return bool(connection.execute(_EXISTS).scalar())


def _exists(engine: Engine) -> bool:
    with engine.begin() as connection:
        return bool(connection.execute(_EXISTS).scalar())
