"""Keep lists of what was seen: the keys of which another one is asked, or read, later."""

from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Table

from sorobanflow.store.copy import execute_with_arrays


def add_seen(connection: "psycopg.Connection[Any]", table: Table, keys: bytes) -> None:
    """Add those of an array of texts that the table lacks. It locks no row that is there."""
    execute_with_arrays(connection, _statement(table), {"keys": keys})


@cache
def _statement(table: Table) -> bytes:
    (key,) = table.primary_key.columns.keys()
    # LIMIT has each key looked up; without it the planner may read all of them.
    return (
        f"INSERT INTO {table.name} ({key}) SELECT new.key "  # noqa: S608 - names of our own
        "FROM unnest(%(keys)s::text[]) AS new (key) "
        f"LEFT JOIN LATERAL (SELECT {key} FROM {table.name} "
        f'WHERE {key} = new.key COLLATE "C" LIMIT 1) AS known ON true '
        f"WHERE known.{key} IS NULL ORDER BY 1 ON CONFLICT DO NOTHING"
    ).encode()
