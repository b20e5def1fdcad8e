"""What each index costs: the rows of its table upserted with all indexes, and without it.

    python -m benchmarks.indexes [rounds]

The rows of batches of 1000 events, generated once, are merged into fresh copies
of a migrated database, table by table: with all indexes of the table, and in
turn without one of them; and how long it takes to count what ten ledgers hold, as
each batch does. The variants take turns; medians are compared.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import psycopg
from sqlalchemy import Table

from sorobanflow.devnet import Chain, DevnetServer, Generator
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store import schema
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.encoded import in_parts
from sorobanflow.store.engine import open_engine
from sorobanflow.store.layouts import layout_of
from sorobanflow.store.merge import merge_rows
from sorobanflow.store.partitions import ensure_partitions
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import HISTORY_TABLES, STATE_TABLES
from tests.fetch_range import fetch_range

BATCHES, LEDGERS, TRANSACTIONS, EVENTS = 20, 4, 50, 5
ALL = "all indexes"


class Variant(NamedTuple):
    """A table with its indexes, but for a change (SQL)."""

    table: Table
    name: str
    change: str


def main(rounds: int) -> None:
    """Run the rounds and print the table."""
    batches = _batches()
    variants = list(_variants())
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        _make_template(postgres)
        _measure(postgres, batches, variants[0])
        times = [
            {"table": variant.table.name, "variant": variant.name}
            | _measure(postgres, batches, variant)
            for _ in range(rounds)
            for variant in variants
        ]
    print(_table(pd.DataFrame(times)))


def _variants() -> Iterator[Variant]:
    for table in (*HISTORY_TABLES, *STATE_TABLES):
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        if indexes:
            yield Variant(table, ALL, "")
        for index in indexes:
            schema = table.schema or "public"
            drop = f'DROP INDEX "{schema}"."{index.name}"'
            yield Variant(table, f"without {index.name}", drop)


def _batches() -> list[BatchRows]:
    source = Generator(seed=3, transactions_per_ledger=TRANSACTIONS, events_per_transaction=EVENTS)
    chain = Chain(source, closed=BATCHES * LEDGERS)
    with DevnetServer(chain) as node, RpcClient(node.url) as client:
        passphrase = client.get_network().passphrase
        ranges = [LedgerRange(n * LEDGERS + 1, (n + 1) * LEDGERS) for n in range(BATCHES)]
        return [_batch(client, ledgers, passphrase) for ledgers in ranges]


def _batch(client: RpcClient, ledgers: LedgerRange, passphrase: str) -> BatchRows:
    planner = TransactionPlanner("auto", filtered=False, workers=1, batch_calls=1)
    (fetched,) = fetch_range(RpcSource(client, passphrase, None, planner), ledgers, 100_000)
    return make_rows(*fetched, passphrase)


def _make_template(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE template")
    with open_engine(postgres.url_of("template"), PoolSettings(max_idle=0)) as engine:
        schema.prepare(engine)
        ensure_partitions(engine, LedgerRange(1, BATCHES * LEDGERS))


def _measure(
    postgres: EmbeddedPostgres, batches: list[BatchRows], variant: Variant
) -> dict[str, float]:
    """Milliseconds per batch: to merge its rows of the table, and to count ten ledgers."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS variant WITH (FORCE)")
        connection.execute("CREATE DATABASE variant TEMPLATE template")
    layout = layout_of(variant.table)
    rows = [in_parts(layout, batch.by_table()[variant.table.name]) for batch in batches]
    with psycopg.connect(postgres.url_of("variant")) as connection:
        cursor = connection.cursor()
        cursor.execute(variant.change or "SELECT 1")
        connection.commit()
        began = time.perf_counter()
        for one in rows:
            merge_rows(connection, {variant.table: one})
            connection.commit()
        merged = time.perf_counter()
        cursor.execute(f"ANALYZE {variant.table.fullname}")
        counted = time.perf_counter()
        if "ledger" in variant.table.columns:
            for ledger in range(1, 11):
                cursor.execute(
                    f"SELECT count(*) FROM {variant.table.fullname} WHERE ledger = %s", (ledger,)
                )
        return {
            "merge": (merged - began) * 1000 / len(rows),
            "count": (time.perf_counter() - counted) * 1000,
        }


def _table(times: pd.DataFrame) -> str:
    medians = times.groupby(["table", "variant"], sort=False)[["merge", "count"]].median()
    lines = ["| table | variant | merge, ms a batch | of all indexes | count ten ledgers, ms |"]
    lines += ["|---|---|---:|---:|---:|"]
    for (table, variant), row in medians.iterrows():
        share = row["merge"] / medians.loc[(table, ALL), "merge"]
        lines.append(
            f"| {table} | {variant} | {row['merge']:.1f} | {share:.2f} | {row['count']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
