"""Replace what ledgers hold: remove the rows that their batch does not have.

For `force` and repair, in the batch's transaction and after its rows were merged. Only the stream
of everything replaces: a filtered one cannot tell a wrong row from one that it does not select.
Invariant: concurrent writers cannot deadlock. History is of ledgers that are locked already; a
row of state that another writer has locked is left to it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Table

from sorobanflow.store.claims import Claims
from sorobanflow.store.copy import execute_with_arrays
from sorobanflow.store.encoded import EncodedBatch
from sorobanflow.store.fields import Arrays, join_arrays
from sorobanflow.store.layouts import layout_of
from sorobanflow.store.only_whole import only_whole
from sorobanflow.store.tables import (
    OF_LEDGERS,
    STATE_TABLES,
    VERSION_GROUPS,
    VersionGroup,
    contract_calls,
    events,
    transactions,
)

_IN_LEDGERS = "BETWEEN %(first)s AND %(last)s"
_ARE_EMPTY = f"""
WHERE sequence {_IN_LEDGERS} AND sequence <> ALL(%(kept)s::int[])
AND NOT EXISTS (SELECT FROM {transactions.fullname} WHERE ledger = sequence)
AND NOT EXISTS (SELECT FROM {events.fullname} WHERE ledger = sequence)
"""  # noqa: S608 - no input
#: An empty ledger has a row if it came whole.
_EMPTY_LEDGERS = (
    f"DELETE FROM ledgers {_ARE_EMPTY} AND (hash IS NULL OR %(is_whole)s)",  # noqa: S608
    f"UPDATE ledgers SET transaction_count = 0, event_count = 0 {_ARE_EMPTY} "  # noqa: S608
    "AND (transaction_count, event_count) <> (0, 0)",
)
#: Of transactions whose calls the batch has, or which it does not have.
_UNTOLD = (
    " AND NOT EXISTS (SELECT FROM (SELECT unnest(%(hashes)s::bytea[]) "
    "EXCEPT SELECT unnest(%(told)s::bytea[])) AS untold (hash) WHERE untold.hash = t.tx_hash)"
)


def remove_surplus(
    connection: "psycopg.Connection[Any]", rows: EncodedBatch, claims: Claims
) -> None:
    """Remove the rows of the batch's ledgers that it does not have."""
    bounds = rows.ledgers._asdict()
    for table in OF_LEDGERS:
        values = bounds | _keys_of(table, rows)
        execute_with_arrays(connection, _history_statement(table), values)
    _remove_calls(connection, rows)
    for empty in _EMPTY_LEDGERS:
        ledgers = {"kept": rows.ledger_rows["sequence"], "is_whole": rows.is_whole}
        execute_with_arrays(connection, empty.encode(), bounds | ledgers)
    for table in STATE_TABLES:
        if keys := claims.keys(table, rows.ledgers):
            names = table.primary_key.columns.keys()
            claimed = {name: [key[n] for key in keys] for n, name in enumerate(names)}
            values = bounds | claimed | _keys_of(table, rows)
            for statement in _state_statements(table, rows.is_whole):
                execute_with_arrays(connection, statement, values)


def _remove_calls(connection: "psycopg.Connection[Any]", rows: EncodedBatch) -> None:
    """Remove the calls of transactions that are gone, or whose calls are told anew.

    A source without diagnostics, or a batch that asks for none, leaves those that are stored.
    """
    hashes = _column(transactions, "hash", rows.arrays(transactions.name))
    told = _column(contract_calls, "tx_hash", rows.arrays(contract_calls.name))
    values = {**rows.ledgers._asdict(), **_keys_of(contract_calls, rows)}
    statement = _history_statement(contract_calls) + _UNTOLD.encode()
    execute_with_arrays(connection, statement, values | {"hashes": hashes, "told": told})


def _keys_of(table: Table, rows: EncodedBatch) -> dict[str, Any]:
    """Return the keys of the batch's rows, for `_not_kept`."""
    parts = rows.arrays(table.name)
    return {f"kept_{name}": _column(table, name, parts) for name in layout_of(table).key}


def _column(table: Table, name: str, parts: Sequence[Arrays]) -> bytes:
    return join_arrays(layout_of(table).columns[name], [part[name] for part in parts])


@cache
def _history_statement(table: Table) -> bytes:
    statement = (
        f"DELETE FROM {table.fullname} AS t WHERE ledger {_IN_LEDGERS} AND {_not_kept(table)}"  # noqa: S608
    )
    return statement.encode()


@cache
def _state_statements(table: Table, is_whole: bool) -> list[bytes]:
    """Write the removal of wrong claims: of whole rows, or of groups and rows without any."""
    keys, groups = table.primary_key.columns.keys(), VERSION_GROUPS[table]
    wrong = [
        f"({_wrong(table, group, is_whole)}) AS w WHERE {_same(keys, 'w')}" for group in groups
    ]
    if len(groups) == 1:
        statements = [f"DELETE FROM {table.fullname} AS t USING {wrong[0]}"]  # noqa: S608
    else:
        statements = [
            f"UPDATE {table.fullname} AS t SET {_nothing(table, group)} FROM {one}"  # noqa: S608
            for group, one in zip(groups, wrong, strict=True)
        ]
        empty = " AND ".join(f"t.{group.order[0]} IS NULL" for group in groups)
        statements.append(
            f"DELETE FROM {table.fullname} AS t USING {_unnested(table, '', 'claimed')} "  # noqa: S608
            f"WHERE {_same(keys, 'claimed')} AND {empty}"
        )
    return [statement.encode() for statement in statements]


def _wrong(table: Table, group: VersionGroup, is_whole: bool) -> str:
    """Select the keys that claim a change of this group in the ledgers and have none."""
    keys, date = table.primary_key.columns.keys(), group.order[0]
    kept = "" if is_whole else f"AND NOT {only_whole(group, 't')} "
    return (
        f"SELECT {', '.join(f't.{key}' for key in keys)} FROM {table.fullname} AS t "  # noqa: S608
        f"JOIN {_unnested(table, '', 'claimed')} ON {_same(keys, 'claimed')} "
        f"WHERE t.{date} {_IN_LEDGERS} AND {_not_kept(table)} {kept}FOR UPDATE OF t SKIP LOCKED"
    )


def _nothing(table: Table, group: VersionGroup) -> str:
    """Set a group as it is where no change was seen."""
    columns = [table.columns[name] for name in (*group.data, *group.order)]
    return ", ".join(f"{one.name} = {'NULL' if one.nullable else 'false'}" for one in columns)


def _not_kept(table: Table) -> str:
    kept = _unnested(table, "kept_", "s")
    return f"NOT EXISTS (SELECT FROM {kept} WHERE {_same(table.primary_key.columns.keys(), 's')})"


def _unnested(table: Table, prefix: str, alias: str) -> str:
    """Make rows of the parameters that hold keys, an array for each column."""
    types, keys = layout_of(table)
    arrays = ", ".join(f"%({prefix}{key})s::{types[key]}[]" for key in keys)
    return f"unnest({arrays}) AS {alias} ({', '.join(keys)})"


def _same(keys: Sequence[str], other: str) -> str:
    return " AND ".join(f"t.{key} = {other}.{key}" for key in keys)
