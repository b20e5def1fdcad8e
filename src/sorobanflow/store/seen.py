"""Keep lists of what was seen: the keys of which another one is asked, or read, later."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Table


def add_seen(
    connection: "psycopg.Connection[Any]", table: Table, rows: Sequence[tuple[str]]
) -> None:
    """Add the keys, of one text column, that the table lacks. It locks no row that is there."""
    if rows:
        connection.execute(_statement(table), ([key for (key,) in rows],))


@cache
def _statement(table: Table) -> bytes:
    (key,) = table.primary_key.columns.keys()
    # LIMIT has each key looked up; without it the planner may read all of them.
    return (
        f"INSERT INTO {table.name} ({key}) SELECT new.key "  # noqa: S608 - names of our own
        "FROM unnest(%s::text[]) AS new (key) "
        f"LEFT JOIN LATERAL (SELECT {key} FROM {table.name} "
        f'WHERE {key} = new.key COLLATE "C" LIMIT 1) AS known ON true '
        f"WHERE known.{key} IS NULL ORDER BY 1 ON CONFLICT DO NOTHING"
    ).encode()
