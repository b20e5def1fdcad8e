"""The audit finds any row that was changed, added or removed by hand, and repair restores it.

Tables and columns come from the schema's own metadata, so a new column is tested without a word.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    LargeBinary,
    Table,
    Text,
    and_,
    delete,
    false,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.audit.agreement import fetch_rows, remove_future_rows
from sorobanflow.audit.unlike import TABLES, Difference, compare_table, stage_made
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.claims import claims_on, read_claims
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.ledgers import HEADER_COLUMNS
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import VERSION_GROUPS, ledgers
from sorobanflow.store.upsert import upsert_batch
from tests.integration.index_all import source_of
from tests.ledgers import generated

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
LEDGERS = LedgerRange(1, 12)
SOURCE = generated(transactions_per_ledger=3)


@pytest.fixture
def template(indexed: Callable[..., str]) -> str:
    return indexed(SOURCE, LEDGERS.last)


@pytest.fixture(scope="module")
def rows() -> Iterator[BatchRows]:
    chain = Chain(SOURCE, closed=LEDGERS.last)
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        yield fetch_rows(source_of(client), LEDGERS)


def _other(column: Column[Any], mark: str = "x") -> Any:
    """Give another value than the column has, whatever it has; of keys, another for each mark."""
    kind = column.type
    if isinstance(kind, Boolean):
        return ~func.coalesce(column, false())
    if isinstance(kind, JSONB):
        return text("""'"by hand"'::jsonb""")
    if isinstance(kind, DateTime):
        return column + text("interval '1 second'")
    if isinstance(kind, LargeBinary):
        return func.coalesce(column, text("''::bytea")).op("||")(text(r"'\x00'::bytea"))
    if isinstance(kind, Text):
        return func.concat(column, mark)
    if column.primary_key:
        return column + 1000 * ord(mark)
    less = isinstance(kind, BigInteger)  # the limit of a trust line is as high as can be
    return func.coalesce(column, 0) + (-1 if less else 1)


def _dates(table: Table) -> list[Column[Any]]:
    """List the columns that say which ledgers determine a row."""
    if table is ledgers:
        return [ledgers.c.sequence]
    groups = VERSION_GROUPS.get(table)
    return [table.c[group.order[0]] for group in groups] if groups else [table.c.ledger]


def _determined(table: Table) -> list[Column[Any]]:
    """List the columns that a node determines: all but those of headers."""
    headers = HEADER_COLUMNS if table is ledgers else ()
    return [column for column in table.columns if column.name not in headers]


class _Row(NamedTuple):
    """A row, by the condition that selects it, and the ledgers that determine it."""

    condition: ColumnElement[bool]
    ledgers: set[int]


def _pick(connection: Connection, table: Table, number: int) -> _Row:
    """Pick a row that the last ledger did not make."""
    dates, keys = _dates(table), [*table.primary_key]
    early = [func.coalesce(date, 0) < LEDGERS.last for date in dates]
    found = connection.execute(select(*keys, *dates).where(*early).order_by(*keys)).all()
    row = found[number * 7 % len(found)]
    condition = and_(*(key == value for key, value in zip(keys, row, strict=False)))
    return _Row(condition, {date for date in row[len(keys) :] if date is not None})


def _change(connection: Connection, column: Column[Any], row: _Row) -> set[int]:
    """Change a column of a row by hand; gives the ledgers that may notice."""
    change = update(column.table).where(row.condition).values({column: _other(column)})
    after = connection.execute(change.returning(*_dates(column.table))).one()
    return row.ledgers | {*after}


def _add(connection: Connection, table: Table, row: _Row) -> None:
    """Add a row that is like another one, but for its key."""
    *_, last = table.primary_key
    values = [_other(one, "y") if one is last else one for one in table.columns]
    copy = select(*values).where(row.condition)
    connection.execute(insert(table).from_select(table.columns, copy))


class Audited:
    """A table, and its rows made again; what is done to the stored ones is undone."""

    def __init__(self, connection: Connection, table: Table, rows: BatchRows) -> None:
        self.connection, self.table, self.rows = connection, table, rows

    @contextmanager
    def damaged(self) -> Iterator[Connection]:
        with self.connection.begin_nested() as savepoint:
            yield self.connection
            savepoint.rollback()

    def differences(self) -> list[Difference]:
        claims = claims_on(self.connection, [LEDGERS])
        return compare_table(self.connection, self.table, self.rows, None, claims)


@pytest.fixture(scope="module")
def connection(
    postgres: EmbeddedPostgres, indexed: Callable[..., str], rows: BatchRows
) -> Iterator[Connection]:
    """A transaction in which the rows made again are staged."""
    name = "audited_rows"
    with psycopg.connect(postgres.url, autocommit=True) as server:
        copied = indexed(SOURCE, LEDGERS.last)
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copied}"'.encode())
    with (
        open_engine(postgres.url_of(name), PoolSettings(max_idle=0)) as engine,
        engine.begin() as connection,
    ):
        stage_made(connection, rows)
        yield connection


@pytest.fixture(params=TABLES, ids=str)
def audited(request: Any, connection: Connection, rows: BatchRows) -> Audited:
    return Audited(connection, request.param, rows)


def test_row_changed_in_any_column_is_named(audited: Audited) -> None:
    assert audited.differences() == []
    for number, column in enumerate(_determined(audited.table)):
        with audited.damaged() as connection:
            row = _pick(connection, audited.table, number)
            noticing = _change(connection, column, row)
            found = audited.differences()
            assert found, column
            assert {one.ledger for one in found} <= noticing, column
            if not column.primary_key and column not in _dates(audited.table):
                assert f"{column.name} is " in found[0].examples[0]


def test_row_removed_or_added_is_named(audited: Audited) -> None:
    row = _pick(audited.connection, audited.table, 1)
    with audited.damaged() as connection:
        connection.execute(delete(audited.table).where(row.condition))
        found = audited.differences()
        assert {one.ledger for one in found} == row.ledgers
        assert {one[2:5] for one in found} == {(1, 0, 0)}
    if audited.table is ledgers:  # there is no place for another one
        return
    with audited.damaged() as connection:
        _add(connection, audited.table, row)
        found = audited.differences()
        assert {one.ledger for one in found} == row.ledgers
        assert {one[2:5] for one in found} == {(0, 1, 0)}


def test_replaced_ledgers_are_as_they_were(
    engine: Engine, rows: BatchRows, checksums: Checksums
) -> None:
    before = checksums(engine)
    with engine.begin() as connection:
        for table in TABLES:
            _add(connection, table, _pick(connection, table, 2))
            for number, column in enumerate(_determined(table)):
                _change(connection, column, _pick(connection, table, number))
            connection.execute(delete(table).where(_pick(connection, table, 3).condition))
    damaged = checksums(engine)
    assert {table.name for table in TABLES if damaged[table.name] != before[table.name]} == {
        table.name for table in TABLES
    }
    remove_future_rows(engine, LEDGERS.last)
    upsert_batch(engine, rows, "all", read_claims(engine, [LEDGERS]))
    assert checksums(engine) == before
