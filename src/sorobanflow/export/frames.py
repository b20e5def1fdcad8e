"""Read a source's rows as pandas DataFrames, chunk by chunk, from one snapshot.

Between `source`, which says what to read, and `files`, which write it; also of
use in a notebook. Invariant: memory does not grow with the number of rows: a
server-side cursor hands out `FETCH_ROWS` at a time, and a frame ends at
`FRAME_ROWS` rows or `FRAME_BYTES`, whichever comes first. The frames' columns
have Arrow types (`pandas.ArrowDtype`): nulls stay nulls, integers integers.
"""

from collections.abc import Generator
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
from psycopg import sql
from sqlalchemy import Engine, text

from sorobanflow.export.source import Column, Source
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.upsert import driver_connection

#: Rows that exist as Python objects at once.
FETCH_ROWS = 2_000
FRAME_ROWS = 50_000
#: A contract's code is up to 128 KiB a row, and an operation's body can be large too.
FRAME_BYTES = 64 * 2**20


def read_frames(engine: Engine, source: Source, ledgers: LedgerRange) -> Generator[pd.DataFrame]:
    """Read the rows of a ledger range, both ends included.

    Returns:
        Frames in the source's order, with all its columns; none where there are
        no rows. All are of the moment at which the first one is asked for.
    """
    with engine.begin() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
        with driver_connection(connection).cursor("export", binary=True) as cursor:
            cursor.execute(_query(source), (ledgers.first, ledgers.last))
            yield from make_frames(cursor, source.schema)


class Cursor(Protocol):
    """What hands out rows: a psycopg cursor."""

    def fetchmany(self, size: int, /) -> list[tuple[Any, ...]]:
        """Give the next rows, at most `size`; none at the end."""


def make_frames(cursor: Cursor, schema: Any) -> Generator[pd.DataFrame]:  # noqa: ANN401 - pyarrow
    """Make frames of a cursor's rows.

    Args:
        cursor: Its rows have a value per column of the schema.
        schema: The frames' columns, as an Arrow schema.
    """
    tables: list[Any] = []
    while rows := cursor.fetchmany(FETCH_ROWS):
        columns = zip(zip(*rows, strict=True), schema.types, strict=True)
        arrays = [pa.array(values, kind) for values, kind in columns]
        tables.append(pa.Table.from_arrays(arrays, schema=schema))
        size_bytes = sum(table.nbytes for table in tables)
        if len(tables) * FETCH_ROWS >= FRAME_ROWS or size_bytes >= FRAME_BYTES:
            yield make_frame(pa.concat_tables(tables))
            tables = []
    if tables:
        yield make_frame(pa.concat_tables(tables))


def make_frame(table: Any) -> pd.DataFrame:  # noqa: ANN401 - pyarrow has no types
    """Make a frame of an Arrow table, column types and all."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _query(source: Source) -> sql.Composed:
    return sql.SQL(
        "SELECT {columns} FROM {source} WHERE {ledger} BETWEEN %s AND %s ORDER BY {order}"
    ).format(
        columns=sql.SQL(", ").join(_expression(column) for column in source.columns),
        source=sql.Identifier(source.name),
        ledger=sql.Identifier(source.ledger),
        # Qualified, because a bare name would mean the output column.
        order=sql.SQL(", ").join(sql.Identifier(source.name, name) for name in source.order),
    )


def _expression(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return sql.SQL("{0}::text AS {0}").format(name) if column.as_text else name
