"""Read a relation's rows as pandas DataFrames with Arrow types, from one snapshot.

Invariant: memory does not grow with the number of rows: a server-side cursor returns `FETCH_ROWS`
at a time, and a frame ends at `FRAME_ROWS` or `FRAME_BYTES`.
"""

from collections.abc import Callable, Generator
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
from psycopg import sql
from sqlalchemy import Engine, text

from sorobanflow.export.relation import Column, Relation
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.engine import driver_connection

#: Rows that exist as Python objects at the same time.
FETCH_ROWS = 2_000
FRAME_ROWS = 50_000
#: A row of contract code has up to 128 KiB, and an operation's body can be large too.
FRAME_BYTES = 64 * 2**20

#: Returns the next rows, at most so many; none at the end.
Fetch = Callable[[int], list[tuple[Any, ...]]]


def read_frames(
    engine: Engine, relation: Relation, ledgers: LedgerRange
) -> Generator[pd.DataFrame]:
    """Read a range's rows in the relation's order, all as of the moment of the first frame."""
    with engine.begin() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        with driver_connection(connection).cursor("export", binary=True) as cursor:
            cursor.execute(_query(relation), (ledgers.first, ledgers.last))
            yield from make_frames(cursor.fetchmany, relation.schema)


def make_frames(fetch: Fetch, schema: pa.Schema) -> Generator[pd.DataFrame]:
    """Make frames of rows that have a value per column of the Arrow schema."""
    for table in make_tables(fetch, schema, FRAME_ROWS, FRAME_BYTES):
        yield make_frame(table)


def make_tables(
    fetch: Fetch, schema: pa.Schema, max_rows: int, max_bytes: int
) -> Generator[pa.Table]:
    """Make Arrow tables of rows; one ends with the rows that reach a maximum."""
    tables: list[Any] = []
    rows_so_far = size_bytes = 0
    while rows := fetch(FETCH_ROWS):
        columns = zip(zip(*rows, strict=True), schema.types, strict=True)
        arrays = [pa.array(values, kind) for values, kind in columns]
        tables.append(pa.Table.from_arrays(arrays, schema=schema))
        rows_so_far, size_bytes = rows_so_far + len(rows), size_bytes + tables[-1].nbytes
        if rows_so_far >= max_rows or size_bytes >= max_bytes:
            yield pa.concat_tables(tables)
            tables, rows_so_far, size_bytes = [], 0, 0
    if tables:
        yield pa.concat_tables(tables)


def make_frame(table: pa.Table) -> pd.DataFrame:
    """Make a frame of an Arrow table, with its column types."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _query(relation: Relation) -> sql.Composed:
    return sql.SQL(
        "SELECT {columns} FROM {relation} WHERE {ledger} BETWEEN %s AND %s ORDER BY {order}"
    ).format(
        columns=sql.SQL(", ").join(_expression(column) for column in relation.columns),
        relation=sql.Identifier(relation.name),
        ledger=sql.Identifier(relation.ledger),
        # Qualified, because a bare name would mean the output column.
        order=sql.SQL(", ").join(sql.Identifier(relation.name, name) for name in relation.order),
    )


def _expression(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return sql.SQL("{0}::text AS {0}").format(name) if column.as_text else name
