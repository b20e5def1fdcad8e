"""What to export: a table or view, and the ledgers of it that coverage holds whole.

Invariant: no digit is lost; a type without an exact counterpart is exported as text.
"""

from difflib import get_close_matches
from typing import NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
from sqlalchemy import Connection, Engine, text

from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, ranges_text, subtract
from sorobanflow.store.coverage import Coverage, read_coverage
from sorobanflow.store.tables import metadata

#: Types with an exact counterpart; numeric with a precision is another one.
EXACT_TYPES = {
    "smallint": pa.int64(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "bytea": pa.binary(),
    "text": pa.string(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}
#: Keys of rows within a ledger, as the views show them.
_KEYS = {
    "events": ("id",),
    "transactions": ("application_order",),
    "operations": ("tx_hash", "op_index"),
    "trades": ("tx_hash", "op_index", "trade_index"),
    "token_operations": ("event_id",),
    "contract_calls": ("tx_hash", "call_index"),
}
DECIMAL128_DIGITS = 38
DECIMAL256_DIGITS = 76


class Column(NamedTuple):
    """A column of a relation, and the Arrow type that holds it exactly."""

    name: str
    sql_type: str
    arrow_type: pa.DataType
    as_text: bool  # PostgreSQL prints it (jsonb, ranges, numeric without a precision)


class Relation(NamedTuple):
    """A table or view that can be exported."""

    name: str
    ledger: str  # the column that a ledger range selects by
    columns: tuple[Column, ...]
    order: tuple[str, ...]  # the ledger, then a table's key; a view of several has none

    @property
    def schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema([(column.name, column.arrow_type) for column in self.columns])


def find_relation(engine: Engine, name: str) -> Relation:
    """Look a table or view up; raise ConfigurationError if none of this name has ledgers."""
    with engine.begin() as connection:
        ledger_columns = _ledger_columns(connection)
        if name not in ledger_columns:
            close = get_close_matches(name, list(ledger_columns), n=1)
            raise ConfigurationError(
                f"{name!r} is no table or view with ledgers; "
                + (f"did you mean {close[0]}? " if close else "")
                + f"There are: {', '.join(ledger_columns) or 'none yet'}"
            )
        columns = _columns(connection, name)
    ledger = ledger_columns[name]
    table = metadata.tables.get(name)
    keys = _KEYS.get(name, () if table is None else table.primary_key.columns.keys())
    return Relation(name, ledger, columns, (ledger, *(key for key in keys if key != ledger)))


def covered_range(
    engine: Engine, relation: str, stream: str, first: int | None, last: int | None
) -> LedgerRange:
    """Complete a range by what the stream covers; ConfigurationError if it lacks a ledger of it."""
    coverage = read_coverage(engine, stream)
    # Tables of that name are not partitioned; what happened is shown by views.
    held = coverage.covered if relation in metadata.tables else coverage.in_tables
    if not held:
        raise ConfigurationError(
            f"stream {stream!r} covers no ledgers, so there is nothing to export; "
            f"streams with ledgers: {', '.join(_streams(engine)) or 'none'}"
        )
    requested = LedgerRange(
        held[0].first if first is None else first,
        held[-1].last if last is None else last,
    )
    if requested.size <= 0:
        raise ConfigurationError(
            f"first_ledger {requested.first} is after last_ledger {requested.last}; "
            f"stream {stream!r} covers {coverage}"
        )
    if missing := subtract(requested, coverage.covered):
        raise ConfigurationError(
            f"stream {stream!r} lacks {Coverage(tuple(missing))} of ledgers {requested}; index or "
            f"backfill them first, or export ledgers that it covers: {coverage}"
        )
    if dropped := subtract(requested, held):
        raise ConfigurationError(
            f"the rows of ledgers {ranges_text(dropped)} were dropped by the flow archive; query "
            "their files, which the table archives names, or export ledgers that the database "
            f"has: {ranges_text(held)}"
        )
    return requested


def _ledger_columns(connection: Connection) -> dict[str, str]:
    """Map each exportable table or view to its column of ledgers."""
    rows = connection.execute(
        text(
            "SELECT table_name, column_name FROM information_schema.columns "
            "JOIN information_schema.tables USING (table_schema, table_name) "
            "WHERE table_schema = current_schema() AND data_type IN ('integer', 'bigint') "
            "AND (column_name = 'ledger' OR (table_name, column_name) = ('ledgers', 'sequence')) "
            "AND (table_type = 'VIEW' OR table_name = ANY(:tables)) ORDER BY 1"
        ),
        {"tables": list(metadata.tables)},
    )
    # The name becomes part of file names, so only plain words are allowed.
    return {table: column for table, column in rows if table.isidentifier()}


def _columns(connection: Connection, name: str) -> tuple[Column, ...]:
    rows = connection.execute(
        text(
            "SELECT column_name, data_type, numeric_precision, numeric_scale "
            "FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND table_name = :name "
            "ORDER BY ordinal_position"
        ),
        {"name": name},
    )
    return tuple(make_column(*row) for row in rows)


def make_column(name: str, data_type: str, precision: int | None, scale: int | None) -> Column:
    """Choose the exact type of a column, from its type in information_schema."""
    if data_type in EXACT_TYPES:
        return Column(name, data_type, EXACT_TYPES[data_type], False)
    if data_type != "numeric" or precision is None or scale is None:
        return Column(name, data_type, pa.string(), True)
    sql_type = f"numeric({precision},{scale})"
    if precision > DECIMAL256_DIGITS:
        return Column(name, sql_type, pa.string(), True)
    decimal = pa.decimal128 if precision <= DECIMAL128_DIGITS else pa.decimal256
    return Column(name, sql_type, decimal(precision, scale), False)


def _streams(engine: Engine) -> list[str]:
    query = "SELECT stream FROM coverage WHERE NOT isempty(ledgers) ORDER BY 1 LIMIT 20"
    with engine.begin() as connection:
        return list(connection.execute(text(query)).scalars())
