"""What a file of the archive holds: a view's columns, with `application_order` for `tx_hash`.

Of each hash 32 bytes cannot be compressed, so it is in the file of `transactions` alone: the other
files name a row's transaction by its ledger and order. Where that transaction is not stored, they
keep the hash. Invariant: with the files of the same ledgers, no value of a view is lost.
"""

from typing import NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
from psycopg import sql
from sqlalchemy import Engine

from sorobanflow.export.relation import Column, find_relation

#: The order of a file's rows, so that those of a contract or an account lie together. It ends
#: with a key: the same rows make the same file.
ORDERS = {
    "events": ("contract_id", "id"),
    "transactions": ("source_account", "ledger", "application_order"),
    "operations": ("source_account", "ledger", "tx_hash", "op_index"),
    "token_operations": ("contract_id", "event_id"),
    "trades": ("sold_asset", "bought_asset", "ledger", "tx_hash", "op_index", "trade_index"),
    "contract_calls": ("contract_id", "ledger", "tx_hash", "call_index"),
}
#: A decimal of more digits is text: DuckDB has none. CAST(… AS HUGEINT) holds any i128.
MAX_DIGITS = 38
_HASH = "tx_hash"
_APPLICATION_ORDER = Column("application_order", "integer", pa.int64(), False)
_TRANSACTION = """
LEFT JOIN (
    SELECT ledger, hash, application_order FROM transactions
    WHERE ledger BETWEEN %(first)s AND %(last)s
) AS t ON t.ledger = r.ledger AND t.hash = r.tx_hash
"""


class Contents(NamedTuple):
    """The columns of a table's file, and the query of its rows."""

    table: str
    columns: tuple[Column, ...]
    rows: sql.Composed  # of the ledgers %(first)s to %(last)s, in no order
    order: sql.Composed

    @property
    def schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema([(column.name, column.arrow_type) for column in self.columns])


def contents_of(engine: Engine, table: str) -> Contents:
    """Describe the file of a table, by the columns that its view has in this database."""
    columns = [_readable(column) for column in find_relation(engine, table).columns]
    names = [column.name for column in columns]
    joins = _HASH in names
    if joins:
        columns.insert(names.index(_HASH), _APPLICATION_ORDER)
    rows = sql.SQL(
        "SELECT {columns} FROM {table} AS r {join}WHERE r.ledger BETWEEN %(first)s AND %(last)s"
    ).format(
        columns=sql.SQL(", ").join(map(_expression, columns)),
        table=sql.Identifier(table),
        join=sql.SQL(_TRANSACTION if joins else ""),
    )
    order = sql.SQL(", ").join(sql.Identifier("r", name) for name in ORDERS[table])
    return Contents(table, tuple(columns), rows, order)


def _readable(column: Column) -> Column:
    """Make a column text where its type is known to few programs."""
    decimal = pa.types.is_decimal(column.arrow_type)
    if decimal and column.arrow_type.precision > MAX_DIGITS:
        return column._replace(arrow_type=pa.string(), as_text=True)
    return column


def _expression(column: Column) -> sql.Composable:
    if column is _APPLICATION_ORDER:
        return sql.Identifier("t", column.name)
    if column.name == _HASH:
        return sql.SQL("CASE WHEN t.hash IS NULL THEN r.tx_hash END AS tx_hash")
    name = sql.Identifier("r", column.name)
    if column.as_text:
        return sql.SQL("{}::text AS {}").format(name, sql.Identifier(column.name))
    return name
