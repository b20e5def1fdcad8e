"""How long `sorobanflow migrate` moves rows of the last release, and a COPY of the same rows.

    python -m benchmarks.moving [rounds]

A recording is indexed, and the database brought back to the last release's tables (revision
0013). In turns: its rows are moved, and then written by COPY into the same tables, emptied.
"""

import tempfile
import time
from pathlib import Path

import pandas as pd
import psycopg

from benchmarks import common, plain
from deployments.services import devnet
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import schema
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.moving import move_all
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import PARTITIONED

OLD, MOVED = "old", "moved"
SETTINGS = PoolSettings(max_idle=1, max_open=4)


def main(rounds: int) -> None:
    """Measure each recording, and print the table."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        found = {name: measure(postgres, rounds, name) for name in common.RECORDINGS[:2]}
    print(table(found))


def measure(postgres: EmbeddedPostgres, rounds: int, recording: str) -> pd.DataFrame:
    """Give rows, and the seconds of moving and of copying them, a row per round."""
    _execute(postgres.url, f"CREATE DATABASE {OLD}")
    with (
        devnet(["--recording", str(common.recording(recording))]) as rpc_url,
        RpcClient(rpc_url) as client,
        open_engine(postgres.url_of(OLD), SETTINGS) as engine,
    ):
        schema.prepare(engine)
        passphrase = client.get_network().passphrase
        with plain.open_store(postgres.url_of(OLD), client):
            for batch in plain.fetch_batches(client):
                plain.write(engine, plain.rows_of(batch, passphrase))
        schema.downgrade(engine, "0013")
    times = [_one_round(postgres) for _ in range(rounds)]
    _execute(postgres.url, f"DROP DATABASE {OLD}")
    return pd.DataFrame(times)


def _one_round(postgres: EmbeddedPostgres) -> dict[str, float]:
    _execute(postgres.url, f"CREATE DATABASE {MOVED} TEMPLATE {OLD}", "CHECKPOINT")
    with open_engine(postgres.url_of(MOVED), SETTINGS) as engine:
        schema.upgrade(engine)
        began = time.perf_counter()
        move_all(engine)
        moved = time.perf_counter() - began
    rows, copied = _copy(postgres.url_of(MOVED))
    _execute(postgres.url, f"DROP DATABASE {MOVED}")
    return {"rows": rows, "moved": moved, "copied": copied}


def _copy(url: str) -> tuple[int, float]:
    """Give the number of rows, and the seconds of copying them into emptied tables."""
    names = [table.fullname for table in PARTITIONED]
    seconds, rows = 0.0, 0
    with psycopg.connect(url, autocommit=True) as connection:
        sent = {}
        for name in names:
            out = f"COPY (SELECT * FROM {name}) TO STDOUT (FORMAT BINARY)"
            with connection.cursor().copy(out.encode()) as copy:
                sent[name] = [bytes(part) for part in copy]
        connection.execute(f"TRUNCATE {', '.join(names)}".encode())
        connection.execute("CHECKPOINT")
        began = time.perf_counter()
        for name, parts in sent.items():
            cursor = connection.cursor()
            with cursor.copy(f"COPY {name} FROM STDIN (FORMAT BINARY)".encode()) as copy:
                for part in parts:
                    copy.write(part)
            rows += cursor.rowcount
        seconds = time.perf_counter() - began
    return rows, seconds


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def table(found: dict[str, pd.DataFrame]) -> str:
    """Write rows a second of both, by the medians."""
    rows = []
    for recording, times in found.items():
        row = times.median()
        rates = (row["rows"] / row["moved"], row["rows"] / row["copied"])
        cells = (f"{row['rows']:,.0f}", *(f"{rate:,.0f}" for rate in rates))
        rows.append((recording, *cells, f"{row['moved'] / row['copied']:.1f}"))
    columns = ("recording", "rows", "moved, rows/s", "COPY, rows/s", "times as long as COPY")
    return common.markdown(columns, rows)


if __name__ == "__main__":
    main(common.rounds_wanted())
