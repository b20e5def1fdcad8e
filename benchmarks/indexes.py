"""What each index costs the upsert: the same batches with all indexes, and without one.

    python -m benchmarks.indexes [rounds]

Batches of 1000 events, generated once, are upserted into fresh copies of a
migrated database: with all indexes, and in turn without one of them; for the
indexes on a ledger also with a BRIN index in its place. The variants take turns
and the medians are compared with the one that has all.
"""

import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psycopg
from sqlalchemy import Index

from sorobanflow.devnet import Chain, DevnetServer, Generator
from sorobanflow.embedded import EmbeddedPostgres
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch import Batch, make_batch
from sorobanflow.rpc.client import RpcClient
from sorobanflow.rpc.fetch_plan import EventsFetch, TransactionPlanner
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.pool import PoolSettings, open_engine
from sorobanflow.store.tables import metadata
from sorobanflow.store.upsert import upsert_batch

BATCHES, LEDGERS, TRANSACTIONS, EVENTS = 20, 4, 50, 5
ALL = "all indexes"


def main(rounds: int) -> None:
    """Run the rounds and print the table."""
    batches = _batches()
    variants = {ALL: ""}
    for index in _indexes():
        variants[f"without {index.name}"] = f'DROP INDEX "{index.name}"'
        if [column.name for column in index.columns] == ["ledger"]:
            brin = f'CREATE INDEX ON "{index.table.name}" USING brin (ledger)'
            variants[f"brin for {index.name}"] = f'DROP INDEX "{index.name}"; {brin}'
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        _make_template(postgres)
        _measure(postgres, batches, "warm", "")
        times = [
            {"variant": name, "seconds": _measure(postgres, batches, f"r{number}_{place}", change)}
            for number in range(rounds)
            for place, (name, change) in enumerate(variants.items())
        ]
    print(_table(pd.DataFrame(times)))


def _indexes() -> list[Index]:
    return [index for table in metadata.sorted_tables for index in table.indexes]


def _batches() -> list[Batch]:
    source = Generator(seed=3, transactions_per_ledger=TRANSACTIONS, events_per_transaction=EVENTS)
    chain = Chain(source, closed=BATCHES * LEDGERS)
    with DevnetServer(chain) as node, RpcClient(node.url) as client:
        passphrase = client.get_network().passphrase
        ranges = [LedgerRange(n * LEDGERS + 1, (n + 1) * LEDGERS) for n in range(BATCHES)]
        return [_batch(client, ledgers, passphrase) for ledgers in ranges]


def _batch(client: RpcClient, ledgers: LedgerRange, passphrase: str) -> Batch:
    fetch = EventsFetch(ledgers, None, 100_000)
    fetch.fetch(client)
    planner = TransactionPlanner("auto", filtered=False, workers=1, batch_calls=1)
    chunks = planner.chunks(client, fetch)
    transactions = [item for chunk in chunks for item in chunk.fetch(client)]
    return make_batch(ledgers, fetch.events, transactions, passphrase)


def _make_template(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE template")
    with open_engine(postgres.url_of("template"), PoolSettings(max_idle=0)) as engine:
        schema.prepare(engine)
        open_stream(engine, Stream())


def _measure(postgres: EmbeddedPostgres, batches: list[Batch], name: str, change: str) -> float:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template')
    with open_engine(postgres.url_of(name), PoolSettings(max_idle=1)) as engine:
        if change:
            with engine.begin() as connection:
                connection.exec_driver_sql(change)
        began = time.perf_counter()
        for batch in batches:
            upsert_batch(engine, batch, "all")
        seconds = time.perf_counter() - began
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    return seconds


def _table(times: pd.DataFrame) -> str:
    medians = times.groupby("variant", sort=False)["seconds"].median()
    lines = ["| variant | median s | of all indexes |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {seconds:.2f} | {seconds / medians[ALL]:.3f} |"
        for name, seconds in medians.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
