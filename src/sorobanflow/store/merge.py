"""Merge rows into a table by key: one statement takes the rows as an array per column.

So there is no temporary table, which belongs to a session and takes a privilege. Rows of state
come in the order of their keys, so concurrent writers cannot deadlock; history is of ledgers that
are locked already. The same rows again change nothing. In a state table the newer change wins,
whatever the order of merging; of two versions of one change the incoming one, so that indexing
again corrects stored rows. Where ledgers are replaced, what they hold gives way whatever change it
claims; but what only a whole ledger tells does not give way to events and transactions.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Table

from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.copy import array_parameters, execute_with_arrays
from sorobanflow.store.fields import Arrays
from sorobanflow.store.only_whole import LEFT_OPEN, came_whole, only_whole
from sorobanflow.store.tables import VERSION_GROUPS, VersionGroup


def merge_rows(
    connection: "psycopg.Connection[Any]",
    rows: Mapping[Table, Sequence[Arrays]],
    replaced: LedgerRange | None = None,
    is_whole: bool = False,
) -> None:
    """Merge rows without repeated keys into their tables, those of state ordered by key.

    `replaced`: the batch's ledgers; `is_whole`: whether they came whole.
    """
    bounds = {} if replaced is None else replaced._asdict()
    for table, parts in rows.items():
        statement = _merge_statement(table, replace=replaced is not None, is_whole=is_whole)
        for arrays in parts:
            execute_with_arrays(connection, statement, {**bounds, **arrays})


@cache
def _merge_statement(table: Table, *, replace: bool, is_whole: bool) -> bytes:
    """Write the upsert of a table; all names are those of our own metadata."""
    columns, keys = table.columns.keys(), table.primary_key.columns.keys()
    if groups := VERSION_GROUPS.get(table):
        update = _take_newer_groups(groups, _of_key(table, groups), replace, is_whole)
    else:
        kept = () if is_whole else LEFT_OPEN.get(table, ())
        update = _take_incoming([name for name in columns if name not in keys], kept)
    return (
        f"INSERT INTO {table.fullname} AS t ({', '.join(columns)}) "  # noqa: S608
        f"SELECT * FROM unnest({array_parameters(table)}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {update}"
    ).encode()


def _take_incoming(columns: Sequence[str], kept: Sequence[str]) -> str:
    """Take the incoming row if it differs; no null for a `kept` column that came whole."""
    values = {name: f"excluded.{name}" for name in columns}
    for name in kept:
        told = f"CASE WHEN {came_whole('t.ledger')} THEN t.{name} END"
        values[name] = f"coalesce(excluded.{name}, {told})"
    assignments = ", ".join(f"{name} = {value}" for name, value in values.items())
    incoming = ", ".join(values.values())
    return f"{assignments} WHERE {_row('t', columns)} IS DISTINCT FROM ({incoming})"


def _of_key(table: Table, groups: Sequence[VersionGroup]) -> list[str]:
    """List the columns that follow from the key."""
    grouped = {name for group in groups for name in (*group.data, *group.order)}
    return [one.name for one in table.columns if not one.primary_key and one.name not in grouped]


def _take_newer_groups(
    groups: Sequence[VersionGroup], of_key: Sequence[str], replace: bool, is_whole: bool
) -> str:
    """Take each group of columns from the incoming row unless the stored group is newer."""
    assignments, conditions = [f"{name} = excluded.{name}" for name in of_key], []
    for group in groups:
        columns = (*group.data, *group.order)
        newer = _is_newer(group, replace, is_whole)
        assignments += [
            f"{name} = CASE WHEN {newer} THEN {_incoming(name, is_whole)} ELSE t.{name} END"
            for name in columns
        ]
        conditions.append(f"({newer} AND {_differ(columns)})")
    conditions += [_differ(of_key)] if of_key else []
    return f"{', '.join(assignments)} WHERE {' OR '.join(conditions)}"


def _incoming(name: str, is_whole: bool) -> str:
    """Give the incoming value; no refund is unknown where the ledger came whole."""
    value = f"excluded.{name}"
    if name != "refund_unknown" or is_whole:
        return value
    return f"{value} AND NOT {came_whole('excluded.ledger')}"


def _is_newer(group: VersionGroup, replace: bool, is_whole: bool) -> str:
    """Compare the order of the changes; it is null while no change was seen."""
    order, first = group.order, group.order[0]
    incoming, stored = (_row(source, order) for source in ("excluded", "t"))
    newer = f"excluded.{first} IS NOT NULL AND (t.{first} IS NULL OR {incoming} >= {stored})"
    if replace:
        kept = "" if is_whole else f" AND NOT {only_whole(group, 't')}"
        newer += f" OR t.{first} IS NULL OR (t.{first} BETWEEN %(first)s AND %(last)s{kept})"
    return f"({newer})"


def _differ(columns: Sequence[str]) -> str:
    return f"{_row('t', columns)} IS DISTINCT FROM {_row('excluded', columns)}"


def _row(source: str, columns: Sequence[str]) -> str:
    return f"({', '.join(f'{source}.{name}' for name in columns)})"
