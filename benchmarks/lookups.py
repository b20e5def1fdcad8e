"""Lookups by hash, account and contract: in 60 partitions, and in one table with the same rows.

    python -m benchmarks.lookups [rounds]

Rows made in SQL fill 60 partitions of the tables that people look things up in; the same rows are
copied into one table each, with the same indexes, shown by a view with the same definition. Each
lookup is for a key that is drawn anew, sent as a statement of its own and as a prepared one, to
both in turns; medians are compared.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pandas as pd
import psycopg
from psycopg.rows import dict_row

from benchmarks import common
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store import schema
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.partitions import ensure_partitions, set_partition_ledgers
from sorobanflow.store.pool import PoolSettings

PARTITIONED, ONE = "60 partitions", "one table"
TABLES = ("events", "transactions", "operations", "token_operations")
ACCOUNTS, CONTRACTS = 2000, 500
LOOKUPS = 50  # a round
WARM_UP = 8  # a prepared statement gets its plan after five executions

_HASH = "decode(md5(l || ' ' || n) || md5(n || ' ' || l), 'hex')"
_ROWS = "timestamptz '2025-01-01' + l * interval '5 s', l, n"
_ACCOUNT = "'G' || upper(md5('a' || (l * 7919 + n * 104729) % %(accounts)s))"
_CONTRACT = "'C' || upper(md5('c' || (l * 7919 + n * 104729) % %(contracts)s))"
_TO = "FROM generate_series(1, %(ledgers)s) AS l, generate_series(1, %(each)s) AS n"
_FILL = (
    "INSERT INTO network (passphrase) VALUES ('a benchmark') ON CONFLICT DO NOTHING",
    f"""INSERT INTO stored.events (closed_at, ledger, tx_index, op_index, event_index, is_system,
        tx_hash, contract_id, topics, value)
    SELECT {_ROWS}, 0, 0, false, {_HASH}, {_CONTRACT}, '[{{"symbol": "transfer"}}]',
        to_jsonb(n) {_TO}""",
    f"""INSERT INTO stored.transactions (closed_at, ledger, application_order, fee_bid,
        fee_charged, sequence, operation_count, successful, fee_bump, hash, source_account,
        signatures)
    SELECT {_ROWS}, 200, 100, n, 1, true, false, {_HASH}, {_ACCOUNT},
        decode(repeat('ab', 69), 'hex') {_TO}""",
    f"""INSERT INTO stored.operations (closed_at, ledger, application_order, op_index, type,
        successful, tx_hash, source_account, details)
    SELECT {_ROWS}, 0, 24, true, {_HASH}, {_ACCOUNT}, '{{"amount": "5"}}' {_TO}""",
    f"""INSERT INTO stored.token_operations (closed_at, ledger, tx_index, op_index, event_index,
        type, successful, tx_hash, contract_id, from_address, to_address, amount)
    SELECT {_ROWS}, 0, 0, 0, true, {_HASH}, {_CONTRACT}, {_ACCOUNT}, {_ACCOUNT}, 5 {_TO}""",
)
#: What is looked up; %s is the key.
_QUERIES = {
    "transaction by hash": ("hash", "SELECT * FROM transactions WHERE hash = %s"),
    "its operations": ("hash", "SELECT * FROM operations WHERE tx_hash = %s"),
    "its events": ("hash", "SELECT * FROM events WHERE tx_hash = %s"),
    "an account's transactions, newest 50": (
        "account",
        "SELECT * FROM transactions WHERE source_account = %s ORDER BY ledger DESC LIMIT 50",
    ),
    "what an account paid, newest 50": (
        "account",
        "SELECT * FROM token_operations WHERE from_address = %s ORDER BY ledger DESC LIMIT 50",
    ),
    "a contract's events, newest 50": (
        "contract",
        "SELECT * FROM events WHERE contract_id = %s ORDER BY ledger DESC LIMIT 50",
    ),
}


class Size(NamedTuple):
    """How many ledgers are stored, with how many rows of each table, in how many partitions."""

    ledgers: int = 6000
    rows_per_ledger: int = 200
    partitions: int = 60


def main(rounds: int) -> None:
    """Measure, print the table, keep the medians."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        medians = measure(postgres.url, rounds)
    print(table(medians))
    common.save("lookups", rounds=rounds, medians=medians.reset_index().to_dict("records"))


def measure(url: str, rounds: int, size: Size | None = None) -> pd.DataFrame:
    """Give the median milliseconds of each lookup, plain and prepared, in both."""
    size = size or Size()
    _make(url, size)
    times = []
    with psycopg.connect(url, autocommit=True) as partitioned, _on_one(url) as one:
        both = {PARTITIONED: partitioned, ONE: one}
        keys = Random(19)
        for name, (kind, query) in _QUERIES.items():
            for prepared in (False, True):
                for number in range(WARM_UP + rounds * LOOKUPS):
                    key = _key(keys, kind, size)
                    for place, ms in _look_up(both, query, key, prepared):
                        if number >= WARM_UP:
                            times.append((name, prepared, place, ms))
    frame = pd.DataFrame(times, columns=["lookup", "prepared", "place", "ms"])
    return frame.groupby(["lookup", "prepared", "place"], sort=False)["ms"].median().unstack()


def _make(url: str, size: Size) -> None:
    with open_engine(url, PoolSettings(max_idle=1, max_open=2)) as engine:
        schema.prepare(engine)
        values = {"ledgers": size.ledgers, "each": size.rows_per_ledger}
        values |= {"accounts": ACCOUNTS, "contracts": CONTRACTS}
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_FILL[0])
            set_partition_ledgers(engine, size.ledgers // size.partitions)
            ensure_partitions(engine, LedgerRange(1, size.ledgers - 1))
            for statement in _FILL[1:]:
                connection.execute(statement.replace(" % %(", " %% %(").encode(), values)
            _copy_into_one(connection)
            connection.execute("VACUUM ANALYZE")


def _copy_into_one(connection: "psycopg.Connection[Any]") -> None:
    """Make schema `one`: a plain table for each, and views as those in public."""
    connection.execute("CREATE SCHEMA one; CREATE SCHEMA one_views")
    for name in TABLES:
        source = f"stored.{name}"
        connection.execute(f"CREATE TABLE one.{name} (LIKE {source} INCLUDING ALL)".encode())
        connection.execute(f"INSERT INTO one.{name} SELECT * FROM {source}".encode())
        found = connection.execute(f"SELECT pg_get_viewdef('{name}'::regclass)".encode())
        (definition,) = found.fetchone() or ("",)
        own = str(definition).replace(f"FROM {source} ", f"FROM one.{name} ")
        own = own.replace(f"({source} r", f"(one.{name} r")
        assert own != definition, definition
        connection.execute(f"CREATE VIEW one_views.{name} AS {own}".encode())


def _on_one(url: str) -> "psycopg.Connection[Any]":
    """Connect where the views' names are those of the plain tables."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET search_path = one_views, public")
    return connection


def _key(keys: Random, kind: str, size: Size) -> Mapping[str, int]:
    """Draw a row, of which the server makes the key, so that both get the same."""
    row = {"l": keys.randint(1, size.ledgers - 1), "n": keys.randint(1, size.rows_per_ledger)}
    return row | {"kind": ("hash", "account", "contract").index(kind)}


def _look_up(
    both: Mapping[str, "psycopg.Connection[Any]"],
    query: str,
    row: Mapping[str, int],
    prepared: bool,
) -> Iterator[tuple[str, float]]:
    """Give the milliseconds of a lookup in each; they must find the same."""
    values = {**row, "accounts": ACCOUNTS, "contracts": CONTRACTS}
    made = (f"encode({_HASH}, 'hex')", _ACCOUNT, _CONTRACT)[row["kind"]]
    made = made.replace(" % %(", " %% %(")
    source = "(SELECT CAST(%(l)s AS int), CAST(%(n)s AS int)) AS r (l, n)"
    found: list[Any] = []
    (key,) = next(iter(both.values())).execute(
        f"SELECT {made} FROM {source}".encode(), values
    ).fetchone() or ("",)
    for place, connection in both.items():
        cursor = connection.cursor(row_factory=dict_row)
        began = time.perf_counter()
        rows = cursor.execute(query.encode(), (key,), prepare=prepared).fetchall()
        yield place, (time.perf_counter() - began) * 1000
        found.append(len(rows))
    assert found[0] == found[1] > 0, (query, key, found)


def table(medians: pd.DataFrame) -> str:
    """Write a row per lookup: plain and prepared."""
    rows = [
        (
            name,
            "prepared" if prepared else "plain",
            f"{row[ONE]:.2f}",
            f"{row[PARTITIONED]:.2f}",
            f"{row[PARTITIONED] / row[ONE]:.2f}",
        )
        for (name, prepared), row in medians.iterrows()
    ]
    return common.markdown(
        ("lookup", "statement", f"ms, {ONE}", f"ms, {PARTITIONED}", "ratio"), rows
    )


if __name__ == "__main__":
    main(common.rounds_wanted())
