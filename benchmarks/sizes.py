"""How many bytes a transaction takes in the database: by table, by column and by index.

    python -m benchmarks.sizes [recording …]

The rows of recorded ledgers are written once, into an empty database. A table's rows
are what its pages hold of them, with what is stored out of line; a column is what its
values take (pg_column_size), so alignment, headers and free space are the rest.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import psycopg
from sqlalchemy import Connection, Table, func, select, text

from benchmarks import common, plain
from benchmarks.bloat import recorded_batches, write_batches
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.tables import HISTORY_TABLES, STATE_TABLES

RECORDINGS = ("applyload-10048", "pubnet-30822015", "pubnet-51000294", "pubnet-63092990")
TABLES = (*HISTORY_TABLES, *STATE_TABLES)
#: Ledgers a day, one each five seconds, and transactions a ledger of the public network.
LEDGERS_A_DAY, TRANSACTIONS_A_LEDGER = 17_280, 400
#: Of a partitioned table, the partitions that hold rows.
_RELATIONS = text("""
    WITH leaf AS (
        SELECT t.name, coalesce(p.relid, CAST(t.name AS regclass)) AS oid
        FROM unnest(CAST(:tables AS text[])) AS t (name)
        LEFT JOIN LATERAL (
            SELECT relid FROM pg_partition_tree(CAST(t.name AS regclass))
            WHERE isleaf AND pg_relation_size(relid) > 0
        ) AS p ON true
    )
    SELECT name, 'rows', sum(pg_table_size(oid))::bigint FROM leaf GROUP BY 1
    UNION ALL
    SELECT l.name, CAST(CAST(coalesce(h.inhparent, i.indexrelid) AS regclass) AS text),
        sum(pg_relation_size(i.indexrelid))::bigint
    FROM leaf AS l JOIN pg_index AS i ON i.indrelid = l.oid
    LEFT JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid GROUP BY 1, 2
    ORDER BY 1, 2
""")


class Sizes(NamedTuple):
    """Bytes of the database of a recording; `relations` has each table's rows and indexes."""

    transactions: int
    relations: pd.DataFrame  # table, name ("rows" or an index), bytes
    columns: pd.DataFrame  # table, name, bytes


def main(recordings: Sequence[str]) -> None:
    """Measure each recording, print the tables, keep the figures."""
    for name in recordings:
        with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
            common.make_template(postgres)
            with common.fresh_database(postgres) as url:
                sizes = measure(url, name)
        print(f"\n{name}: {sizes.transactions:,} transactions\n\n{table(sizes)}\n")
        print(detail(sizes))
        figures = {"relations": sizes.relations, "columns": sizes.columns}
        records = {part: frame.to_dict("records") for part, frame in figures.items()}
        common.save(f"sizes-{name}", transactions=sizes.transactions, **records)


def measure(database_url: str, recording: str) -> Sizes:
    """Write a recording into an empty database and measure it."""
    with (
        recorded_batches(recording) as (client, batches),
        plain.open_store(database_url, client) as engine,
    ):
        write_batches(engine, batches)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("VACUUM")  # COPY leaves empty pages at the end of a table
        with engine.connect() as connection:
            names = {"tables": [one.fullname for one in TABLES]}
            relations = pd.DataFrame(
                connection.execute(_RELATIONS, names).tuples(),
                columns=["table_name", "name", "bytes"],
            )
            columns = pd.DataFrame(
                [line for one in TABLES for line in _columns(connection, one)],
                columns=["table_name", "name", "bytes"],
            )
    (transactions,) = common.count_rows(database_url, "transactions")
    return Sizes(transactions, relations, columns)


def _columns(connection: Connection, table: Table) -> Iterator[tuple[str, str, int]]:
    sizes = [func.coalesce(func.sum(func.pg_column_size(one)), 0) for one in table.columns]
    for column, size in zip(table.columns, connection.execute(select(*sizes)).one(), strict=True):
        yield table.fullname, column.name, int(size)


def table(sizes: Sizes) -> str:
    """Write the bytes a transaction of each table: rows, indexes, both; and GB a day of all."""
    relations = sizes.relations.assign(
        kind=sizes.relations["name"].where(sizes.relations["name"] == "rows", "indexes")
    )
    bytes_of = relations.pivot_table("bytes", "table_name", "kind", "sum") / sizes.transactions
    bytes_of = bytes_of[["rows", "indexes"]].assign(both=bytes_of.sum(axis="columns"))
    bytes_of = bytes_of.sort_values("both", ascending=False)
    bytes_of.loc["all tables"] = bytes_of.sum()
    day = bytes_of.loc["all tables", "both"] * LEDGERS_A_DAY * TRANSACTIONS_A_LEDGER / 1e9
    lines = [(name, *(f"{value:,.0f}" for value in row)) for name, row in bytes_of.iterrows()]
    header = ("bytes a transaction", "rows", "indexes", "both")
    text = common.markdown(header, lines)
    return f"{text}\n\nAt {TRANSACTIONS_A_LEDGER} transactions a ledger: {day:,.0f} GB a day"


def detail(sizes: Sizes) -> str:
    """Write the bytes a transaction of each column and index that takes at least one percent."""
    indexes = sizes.relations[sizes.relations["name"] != "rows"].assign(kind="index")
    parts = pd.concat([sizes.columns.assign(kind="column"), indexes])
    parts["bytes"] /= sizes.transactions
    large = parts[parts["bytes"] >= parts["bytes"].sum() / 100]
    large = large.sort_values("bytes", ascending=False)
    lines = [
        (one.table_name, one.name, one.kind, f"{one.bytes:,.0f}") for one in large.itertuples()
    ]
    return common.markdown(("table", "column or index", "kind", "bytes a transaction"), lines)


if __name__ == "__main__":
    main(sys.argv[1:] or RECORDINGS)
