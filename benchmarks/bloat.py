"""How much the tables grow when the same ledgers are written again and again.

    python -m benchmarks.bloat [repeats]

The rows of recorded ledgers are written once, and then ten times more, as a backfill
with `force` does. What is there and unchanged is not to be written again, so every
table should keep its size, its indexes included.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine, text

from benchmarks import common, plain
from deployments.services import devnet
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import schema
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import HISTORY_TABLES, STATE_TABLES

RECORDING = "applyload-10048"
REPEATS = 10
MAX_EVENTS_IN_BATCH = 10_000


def main(repeats: int) -> None:
    """Write, repeat, print the table, keep the sizes."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        with open_engine(postgres.url, PoolSettings(max_idle=0)) as engine:
            schema.prepare(engine)
        sizes = measure(postgres.url, repeats, RECORDING)
    print(table(sizes, repeats))
    common.save("bloat", repeats=repeats, tables=sizes.to_dict("index"))


def measure(database_url: str, repeats: int, recording: str) -> pd.DataFrame:
    """Write into an empty database; gives `rows`, and bytes `once` and `again`, by table."""
    with (
        recorded_batches(recording) as (client, batches),
        plain.open_store(database_url, client) as engine,
    ):
        write_batches(engine, batches)
        once = _sizes(engine)
        for _ in range(repeats):
            write_batches(engine, batches)
        again = _sizes(engine)
    names = [one.name for one in (*HISTORY_TABLES, *STATE_TABLES)]
    rows = dict(zip(names, common.count_rows(database_url, *names), strict=True))
    filled = [name for name in names if rows[name]]
    return pd.DataFrame({"rows": rows, "once": once, "again": again}).loc[filled]


@contextmanager
def recorded_batches(recording: str) -> Iterator[tuple[RpcClient, list[BatchRows]]]:
    """Serve a recording; gives a client of the node, and the rows of all its ledgers."""
    options = ["--recording", str(common.recording(recording))]
    with devnet(options) as rpc_url, RpcClient(rpc_url) as client:
        passphrase = client.get_network().passphrase
        fetched = plain.fetch_batches(client, MAX_EVENTS_IN_BATCH)
        yield client, [plain.rows_of(batch, passphrase) for batch in fetched]


def write_batches(engine: Engine, batches: Sequence[BatchRows]) -> None:
    """Write the batches, one after the other."""
    for batch in batches:
        plain.write(engine, batch)


def _sizes(engine: Engine) -> dict[str, int]:
    """Give the bytes of each table, with its indexes and what is stored out of line."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT p.relname, sum(pg_total_relation_size(s.relid))::bigint "
                "FROM pg_stat_user_tables AS s LEFT JOIN pg_inherits AS i ON i.inhrelid = s.relid "
                "JOIN pg_class AS p ON p.oid = coalesce(i.inhparent, s.relid) GROUP BY 1"
            )
        )
        return dict(rows.tuples().all())


def table(sizes: pd.DataFrame, repeats: int) -> str:
    """Write how large each table is before and after the repeats."""
    columns = ("table", "rows", "MiB once", f"MiB after {repeats} repeats", "of once")
    rows = [
        (
            name,
            f"{row['rows']:,.0f}",
            f"{row['once'] / 2**20:.2f}",
            f"{row['again'] / 2**20:.2f}",
            f"{row['again'] / row['once']:.2f}",
        )
        for name, row in sizes.iterrows()
    ]
    return common.markdown(columns, rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)
