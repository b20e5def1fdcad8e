"""The headline: 1000 events and 200 transactions from a node that answers in 100 ms.

    python -m benchmarks.headline [rounds]

From the first call for the ledgers to the last commit, in turns and each into a
database of its own:

- "before": a plain script, one call after another (a page of events, then each
  transaction), and one committed upsert per row of every table;
- "after": the same on ten threads, and upserts of 100 rows, each committed;
- the index flow: single calls by hash, JSON-RPC batches by hash, and its default;
- the floor: the two calls that bring everything, one after the other, and one
  transaction that copies rows made before into the tables, ready for no conflict.

The flow's start-up is not in it; `orchestration` measures that.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import psycopg
from psycopg import sql
from sqlalchemy import Table

from benchmarks import common, plain
from deployments.services import devnet
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.partitions import ensure_partitions
from sorobanflow.store.tables import HISTORY_TABLES, STATE_TABLES

TABLES = (*HISTORY_TABLES, *STATE_TABLES)
LEDGERS, TRANSACTIONS, EVENTS = 10, 20, 5  # each, of the one before
LATENCY_MS = 100
WORKERS, ROWS_PER_UPSERT = 10, 100

#: Every event has a topic, so this filter wants all of them; filtered, the flow
#: can be told to fetch each transaction by a call of its own.
SINGLE_CALLS = {"topics": [["*", "**"]], "fetch_plan": "hashes"}

BEFORE, AFTER = '"before": one by one', '"after": 10 workers, 100-row upserts'
DEFAULT, FLOOR = "sorobanflow, the default", "floor: two calls and one COPY"


class Size(NamedTuple):
    """How much is indexed: ledgers, and how long the node takes to answer."""

    ledgers: int = LEDGERS
    latency_ms: int = LATENCY_MS

    @property
    def transactions(self) -> int:
        """Transactions in all."""
        return self.ledgers * TRANSACTIONS

    @property
    def rows(self) -> tuple[int, int]:
        """Rows of `events` and of `transactions` at the end."""
        return self.transactions * EVENTS, self.transactions


class Place(NamedTuple):
    """Where a variant takes from, and where the databases are."""

    rpc_url: str
    postgres: EmbeddedPostgres
    size: Size


def main(rounds: int) -> None:
    """Run the rounds, print the table, keep the medians."""
    with common.services() as services:
        times = common.spread(measure(services, rounds))
    print(table(times))
    common.save("headline", rounds=rounds, seconds=times["median"].to_dict())


def measure(services: common.Services, rounds: int, size: Size | None = None) -> pd.DataFrame:
    """Let the variants take turns; gives `variant` and `seconds`."""
    size = size or Size()
    options = ["--ledgers", str(size.ledgers), "--latency-ms", str(size.latency_ms)]
    options += ["--transactions-per-ledger", str(TRANSACTIONS)]
    options += ["--events-per-transaction", str(EVENTS)]
    with devnet(options) as rpc_url:
        place = Place(rpc_url, services.postgres, size)
        with RpcClient(rpc_url) as client:  # the devnet makes its ledgers before any is timed
            (fetched,) = plain.fetch_batches(client)
            rows = plain.rows_of(fetched, client.get_network().passphrase)
        return common.in_turns(
            rounds,
            {
                BEFORE: partial(_script, place, 1, _upsert_each),
                AFTER: partial(_script, place, WORKERS, _upsert_chunks),
                "sorobanflow, single calls": partial(_flow, place, 1, SINGLE_CALLS),
                "sorobanflow, JSON-RPC batches of 50": partial(_flow, place, 50, SINGLE_CALLS),
                DEFAULT: partial(_flow, place, 50, {}),
                FLOOR: partial(_floor, place, rows),
            },
        )


def _flow(place: Place, batch_calls: int, parameters: dict[str, Any]) -> float:
    with common.fresh_database(place.postgres) as url:
        blocks = common.save_blocks(
            place.rpc_url, url, batch_calls=batch_calls, max_workers=WORKERS
        )
        summary = common.run_index(start_ledger="oldest", **blocks, **parameters)
        _check(url, place.size)
        return summary.seconds


def _script(place: Place, workers: int, write: Callable[[str, BatchRows], None]) -> float:
    with common.fresh_database(place.postgres) as url, RpcClient(place.rpc_url) as client:
        passphrase = client.get_network().passphrase
        with plain.open_store(url, client) as engine:
            ledgers = plain.node_ledgers(client)
            ensure_partitions(engine, ledgers)
            began = time.perf_counter()
            events = plain.read_events(client, ledgers)
            with ThreadPoolExecutor(workers) as pool:
                transactions = plain.found(pool.map(client.get_transaction, plain.hashes(events)))
            write(url, plain.rows_of(plain.FetchedBatch(ledgers, events, transactions), passphrase))
            seconds = time.perf_counter() - began
        _check(url, place.size)
        return seconds


def _floor(place: Place, rows: BatchRows) -> float:
    with common.fresh_database(place.postgres) as url, RpcClient(place.rpc_url) as client:
        with plain.open_store(url, client) as engine, psycopg.connect(url) as connection:
            ledgers = plain.node_ledgers(client)
            ensure_partitions(engine, ledgers)
            began = time.perf_counter()
            client.get_events(ledgers.first, ledgers.last + 1)
            client.get_transactions(start=ledgers.first)
            with connection.cursor() as cursor:
                for table in TABLES:
                    _copy(cursor, table, rows.by_table()[table.name])
            connection.commit()
            seconds = time.perf_counter() - began
        _check(url, place.size)
        return seconds


def _copy(cursor: "psycopg.Cursor[Any]", table: Table, rows: list[tuple[Any, ...]]) -> None:
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(common.identifier(table))) as copy:
        for row in rows:
            copy.write_row(row)


def _upsert_each(url: str, batch: BatchRows) -> None:
    _upsert(url, batch, rows_each=1)


def _upsert_chunks(url: str, batch: BatchRows) -> None:
    _upsert(url, batch, rows_each=ROWS_PER_UPSERT)


def _upsert(url: str, batch: BatchRows, rows_each: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for table in TABLES:
            rows = batch.by_table()[table.name]
            for first in range(0, len(rows), rows_each):
                some = rows[first : first + rows_each]
                values = [value for row in some for value in row]
                connection.execute(_statement(table, len(some)), values)


def _statement(table: Table, rows: int) -> sql.Composed:
    columns = [sql.Identifier(column.name) for column in table.columns]
    keys = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.primary_key)
    values = sql.SQL("({})").format(sql.SQL(", ").join(sql.Placeholder() * len(columns)))
    return sql.SQL("INSERT INTO {} VALUES {} ON CONFLICT ({}) DO UPDATE SET {}").format(
        common.identifier(table),
        sql.SQL(", ").join([values] * rows),
        keys,
        sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in columns),
    )


def _check(url: str, size: Size) -> None:
    assert common.count_rows(url, "events", "transactions") == size.rows


def table(times: pd.DataFrame) -> str:
    """Write the medians, and what they are of the others'."""
    before, after, floor = (times.loc[name, "median"] for name in (BEFORE, AFTER, FLOOR))
    columns = ("variant", "median s", "min", "max", "faster than before", "than after", "of floor")
    rows = [
        (
            name,
            *(f"{seconds:.2f}" for seconds in row),
            *(f"{part / row['median']:.1f}" for part in (before, after)),
            f"{row['median'] / floor:.1f}",
        )
        for name, row in times.iterrows()
    ]
    return common.markdown(columns, rows)


if __name__ == "__main__":
    main(common.rounds_wanted())
