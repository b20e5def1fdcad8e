"""Count and sum of rows, in the database and in a file: are they the same rows?

A row is written as text: per column `~` for a null, else the number of its bytes, a colon and the
value. Reading from the left gives the columns back, so different rows are different texts. The
sum adds, for each row, the first eight bytes of its SHA-256, modulo 2^64; the order of rows does
not matter, a column of another row does. Rows have keys, so none is there twice, and equal counts
and sums say that both sides have the same rows, but for a chance of 2^-64.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from struct import unpack
from typing import NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from psycopg import sql
from pyarrow import parquet
from sqlalchemy import Engine

from sorobanflow.archive.contents import Contents
from sorobanflow.export.relation import Column
from sorobanflow.ledgers import LedgerRange, split
from sorobanflow.store.engine import driver_connection

#: Ledgers summed by one statement, which takes seconds.
CHUNK_LEDGERS = 500
#: Rows of a file in memory as text.
BATCH_ROWS = 20_000
_MODULUS = 2**64


class RowsSum(NamedTuple):
    """The number of rows, and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def add(self, rows: int, total: int) -> "RowsSum":
        """Add the count and sum of other rows."""
        return RowsSum(self.rows + rows, (self.total + total) % _MODULUS)


def sum_in_database(
    engine: Engine, contents: Contents, ledgers: LedgerRange, on_chunk: Callable[[], object]
) -> RowsSum:
    """Sum a table's rows up, in the database."""
    query, found = _sum_query(contents), RowsSum()
    for chunk in split([ledgers], CHUNK_LEDGERS):
        with engine.begin() as connection:
            row = driver_connection(connection).execute(query, chunk._asdict()).fetchone()
        assert row is not None
        found = found.add(int(row[0]), int(row[1]))
        on_chunk()
    return found


def sum_in_file(path: Path, on_batch: Callable[[], object]) -> RowsSum:
    """Sum a file's rows up."""
    found = RowsSum()
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            found = found.add(batch.num_rows, _total(_texts(batch)))
            on_batch()
    return found


def _sum_query(contents: Contents) -> sql.Composed:
    texts = sql.SQL(", ").join(_text_in_sql(column) for column in contents.columns)
    # OFFSET 0: the columns are not written twice, once for their length.
    return sql.SQL(
        "SELECT count(*), coalesce(sum(('x' || left(encode(sha256(convert_to("
        "concat({texts}), 'UTF8')), 'hex'), 16))::bit(64)::bigint), 0) "
        "FROM (SELECT {written} FROM ({rows}) AS r OFFSET 0) AS w"
    ).format(
        texts=texts,
        written=sql.SQL(", ").join(_written_in_sql(column) for column in contents.columns),
        rows=contents.rows,
    )


def _text_in_sql(column: Column) -> sql.Composed:
    name = sql.Identifier(column.name)
    return sql.SQL("coalesce(octet_length({0}) || ':' || {0}, '~')").format(name)


def _written_in_sql(column: Column) -> sql.Composed:
    name = sql.Identifier(column.name)
    if pa.types.is_timestamp(column.arrow_type):
        micros = sql.SQL("(extract(epoch FROM {0}) * 1000000)::bigint::text AS {0}")
        return micros.format(name)
    return sql.SQL("{0}::text AS {0}").format(name)


def _texts(batch: pa.RecordBatch) -> pa.Array:
    """Write each row as text."""
    columns = []
    for column in batch.columns:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        written = column.cast(pa.large_string())
        lengths = pc.binary_length(written).cast(pa.large_string())
        text = pc.binary_join_element_wise(lengths, written, pa.scalar(":", pa.large_string()))
        columns.append(text.fill_null("~"))
    return pc.binary_join_element_wise(*columns, pa.scalar("", pa.large_string()))


def _total(texts: pa.Array) -> int:
    """Sum the hashes of texts, as PostgreSQL's signed integers."""
    digests = b"".join(
        hashlib.sha256(text).digest()[:8] for text in texts.cast(pa.large_binary()).to_pylist()
    )
    return sum(unpack(f">{len(texts)}q", digests))
