"""Rows of any state table, made from a key and the order of each version group.

What a group holds follows from the table, the key and the order alone, so a
test knows what must be stored from the newest order of each group.
"""

import json
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from sqlalchemy import Boolean, Column, Connection, Engine, LargeBinary, Table, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.store.encoded import in_parts
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.layouts import layout_of
from sorobanflow.store.merge import merge_rows
from sorobanflow.store.partitions import ensure_partitions
from sorobanflow.store.tables import PARTITIONED, VERSION_GROUPS

Order = tuple[int, ...] | None
Row = tuple[Any, ...]


def state_row(table: Table, key: int, orders: Sequence[Order]) -> Row:
    """Make a row; an order of None is a group of which no change was seen."""
    values = {column.name: _value(column, f"{key}") for column in table.columns}
    for group, order in zip(VERSION_GROUPS[table], orders, strict=True):
        for name in group.data:
            column = table.columns[name]
            values[name] = _unseen(column) if order is None else _value(column, f"{key} {order}")
        values |= dict(zip(group.order, order or (None,) * len(group.order), strict=True))
    return tuple(values.values())


def newest_rows(table: Table, changes: Sequence[tuple[int, Sequence[Order]]]) -> list[Row]:
    """Give what the table must hold after these changes, by key."""
    newest: dict[int, list[Order]] = {}
    for key, orders in changes:
        held = newest.setdefault(key, [None] * len(orders))
        pairs = zip(held, orders, strict=True)
        newest[key] = [max(pair, key=lambda order: order or ()) for pair in pairs]
    return [state_row(table, key, newest[key]) for key in sorted(newest)]


def state_batch(ledgers: LedgerRange, rows: dict[Table, list[Row]]) -> BatchRows:
    """Make a batch that carries state rows only."""
    batch = BatchRows(ledgers)
    for table, its_rows in rows.items():
        batch.by_table()[table.name].extend(its_rows)
    return batch


def store(engine: Engine, table: Table, *rows: Row) -> None:
    """Merge rows in a transaction; those of what happened have a place."""
    if table in PARTITIONED:
        at = table.columns.keys().index("ledger")
        ledgers = [row[at] for row in rows]
        ensure_partitions(engine, LedgerRange(min(ledgers), max(ledgers)))
    with engine.begin() as connection:
        merge(connection, table, *rows)


def merge(connection: Connection, table: Table, *rows: Row) -> None:
    """Merge rows in the caller's transaction."""
    merge_rows(driver_connection(connection), {table: in_parts(layout_of(table), rows)})


def stored(engine: Engine, table: Table) -> list[Row]:
    """Read the table by key, in the form of the rows that were written."""
    with engine.begin() as connection:
        rows = connection.execute(select(table).order_by(*table.primary_key.columns)).all()
    is_json = [isinstance(column.type, JSONB) for column in table.columns]
    return [
        tuple(
            json.dumps(value) if flag and value is not None else value
            for flag, value in zip(is_json, row, strict=True)
        )
        for row in rows
    ]


def versions(engine: Engine, table: Table) -> list[Row]:
    """Read which transaction wrote each row."""
    with engine.begin() as connection:
        found = connection.execute(text(f"SELECT ctid, xmin FROM {table.name} ORDER BY 1"))
        return [tuple(row) for row in found]


def _unseen(column: Column[Any]) -> Any:
    return None if column.nullable else False


def _value(column: Column[Any], seed: str) -> Any:
    if column.primary_key:
        return f"{column.name} {seed}" if isinstance(column.type, Text) else int(seed)
    drawn = crc32(f"{column.name} {seed}".encode())  # a generator's seed costs ten times as much
    if column.nullable and drawn % 5 == 0:
        return None
    number = drawn // 5 % 10_000
    if isinstance(column.type, Boolean):
        return number % 2 == 0
    if isinstance(column.type, JSONB):
        return json.dumps({"u32": number})
    if isinstance(column.type, LargeBinary):
        return number.to_bytes(4)
    return f"{number}\\\t" if isinstance(column.type, Text) else number
