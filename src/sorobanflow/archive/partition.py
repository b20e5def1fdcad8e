"""Archive a closed partition: each of its tables to a file, compared with the table, recorded.

A kill leaves a draft, or a file without a record; the next run writes it again. Invariant: a
record is made only of a file that is whole at its place and has the table's very rows.
"""

from collections.abc import Callable

from psycopg import sql
from sqlalchemy import Engine

from sorobanflow.archive.contents import Contents, contents_of
from sorobanflow.archive.rows_sum import RowsSum, sum_in_database, sum_in_file
from sorobanflow.archive.writing import write_file
from sorobanflow.errors import ArchiveError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.archives import Archived, begin_archive, finish_archive
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.moving import move_rows
from sorobanflow.store.places import Place, digest, key_of, pieces_of


def archive_table(
    engine: Engine,
    table: str,
    ledgers: LedgerRange,
    place: Place,
    on_step: Callable[[], object] = lambda: None,
) -> Archived:
    """Write, compare, publish and record the file of a table; `on_step` is called on the way.

    Raises:
        RetriableError: the ledgers were written meanwhile, or the place cannot be reached.
        ArchiveError: the file does not have the table's rows, or the bucket another object.
    """
    contents, key = contents_of(engine, table), key_of(table, ledgers)
    move_rows(engine, ledgers)
    place.size(key)  # a place that refuses costs no work
    begun_at = begin_archive(engine, table, ledgers, place.path_of(key))
    with place.draft(key) as draft:
        write_file(engine, contents, ledgers, draft, lambda rows: on_step())
        in_file = sum_in_file(draft, on_step)
        _compare(in_file, contents, _in_database(engine, contents, ledgers, on_step), ledgers)
        sha256, size_bytes = digest(pieces_of(draft)), draft.stat().st_size
        place.publish(draft, key)
    archived = Archived(table, ledgers, place.path_of(key), in_file.rows, size_bytes, sha256)
    finish_archive(engine, archived, begun_at)
    on_step()
    return archived


def _in_database(
    engine: Engine, contents: Contents, ledgers: LedgerRange, on_step: Callable[[], object]
) -> RowsSum:
    """Sum the table's rows up, and check that the query gives each of them once."""
    found = sum_in_database(engine, contents, ledgers, on_step)
    query = sql.SQL("SELECT count(*) FROM {} WHERE ledger BETWEEN %(first)s AND %(last)s")
    with engine.begin() as connection:
        counted = query.format(sql.Identifier(contents.table))
        row = driver_connection(connection).execute(counted, ledgers._asdict()).fetchone()
    assert row is not None
    _compare(found, contents, found._replace(rows=row[0]), ledgers)
    return found


def _compare(found: RowsSum, contents: Contents, stored: RowsSum, ledgers: LedgerRange) -> None:
    if found != stored:
        raise ArchiveError(
            f"the file of {contents.table}, ledgers {ledgers}, has {found.rows:,} rows, and the "
            f"table {stored.rows:,}, or a row differs: the ledgers were indexed meanwhile, or the "
            "disk is bad; nothing was recorded or dropped. Run archive again"
        )
