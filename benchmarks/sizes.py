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
from sqlalchemy import Connection, Table, func, select, text

from benchmarks import common, plain
from benchmarks.bloat import recorded_batches, write_batches
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.tables import HISTORY_TABLES, STATE_TABLES

RECORDINGS = ("applyload-10048", "pubnet-30822015", "pubnet-51000294", "pubnet-63092990")
TABLES = (*HISTORY_TABLES, *STATE_TABLES)
#: Ledgers a day, one each five seconds, and transactions a ledger of the public network.
LEDGERS_A_DAY, TRANSACTIONS_A_LEDGER = 17_280, 400
_RELATIONS = text("""
    SELECT table_name, name, bytes FROM (
        SELECT relname, 'rows', pg_table_size(oid) FROM pg_class WHERE relkind = 'r'
        UNION ALL
        SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_relation_size(indexrelid)
        FROM pg_index
    ) AS relation (table_name, name, bytes)
    WHERE table_name = ANY(:tables) ORDER BY table_name, name
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
        with engine.connect() as connection:
            names = {"tables": [one.name for one in TABLES]}
            relations = pd.DataFrame(connection.execute(_RELATIONS, names).mappings())
            columns = pd.DataFrame(
                [line for one in TABLES for line in _columns(connection, one)],
                columns=["table_name", "name", "bytes"],
            )
    (transactions,) = common.count_rows(database_url, "transactions")
    return Sizes(transactions, relations, columns)


def _columns(connection: Connection, table: Table) -> Iterator[tuple[str, str, int]]:
    sizes = [func.coalesce(func.sum(func.pg_column_size(one)), 0) for one in table.columns]
    for column, size in zip(table.columns, connection.execute(select(*sizes)).one(), strict=True):
        yield table.name, column.name, int(size)


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
