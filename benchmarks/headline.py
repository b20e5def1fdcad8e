"""The headline: 1000 events and 200 transactions from a node that answers in 100 ms.

    python -m benchmarks.headline [rounds]

Measures the index flow's body, from the first call for the ledgers to the last
commit, against the same flow with one worker and single calls. The variants
take turns, each into a database of its own, and the medians are compared. The
devnet, PostgreSQL and the Prefect server run in processes of their own.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg

from deployments.services import PREFECT_SETTINGS, PrefectServer, devnet
from sorobanflow.embedded import EmbeddedPostgres
from sorobanflow.rpc.client import RpcClient

EVENTS, TRANSACTIONS, LEDGERS, LATENCY_MS = 1000, 200, 10, 100
PORT = 4399

#: Every event has a topic, so this filter wants all of them; filtered, the flow
#: can be told to fetch each transaction by a call of its own.
EVERY_TOPIC = [["*", "**"]]
SINGLE_CALLS = {"topics": EVERY_TOPIC, "fetch_plan": "hashes"}
VARIANTS: dict[str, tuple[int, dict[str, Any]]] = {
    "1 worker, single calls": (1, SINGLE_CALLS | {"max_workers": 1}),
    "10 workers, single calls": (1, SINGLE_CALLS),
    "10 workers, JSON-RPC batches of 50": (50, SINGLE_CALLS),
    "10 workers, pages (the default)": (50, {}),
}


def main(rounds: int) -> None:
    """Run the rounds and print the table."""
    options = ["--ledgers", str(LEDGERS), "--latency-ms", str(LATENCY_MS)]
    options += ["--transactions-per-ledger", str(TRANSACTIONS // LEDGERS)]
    options += ["--events-per-transaction", str(EVENTS // TRANSACTIONS)]
    with _services() as postgres, devnet(options) as rpc_url:
        _warm(rpc_url)
        times = [
            {"variant": name, "seconds": _measure(postgres, rpc_url, f"r{number}_{index}", name)}
            for number in range(rounds)
            for index, name in enumerate(VARIANTS)
        ]
    print(_table(pd.DataFrame(times)))


@contextmanager
def _services() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory() as folder:
        server = PrefectServer(Path(folder) / "prefect", PORT)
        server.start()
        try:
            server.wait()
            quiet = {"PREFECT_LOGGING_LEVEL": "WARNING", "PREFECT_API_URL": server.api_url}
            os.environ.update(PREFECT_SETTINGS | quiet)
            with EmbeddedPostgres(Path(folder) / "postgres") as postgres:
                yield postgres
        finally:
            server.stop()


def _warm(rpc_url: str) -> None:
    """Have the devnet make its ledgers before anything is timed."""
    with RpcClient(rpc_url) as client:
        client.get_transactions(start=1)
        client.get_events(1, LEDGERS + 1)


def _measure(postgres: EmbeddedPostgres, rpc_url: str, database: str, variant: str) -> float:
    # Prefect reads its settings when it is imported, so not before the server runs.
    from deployments.register_blocks import register_blocks  # noqa: PLC0415
    from flows.index import index  # noqa: PLC0415

    batch_calls, parameters = VARIANTS[variant]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    urls = {"RPC_URL": rpc_url, "DATABASE_URL": postgres.url_of(database)}
    name = f"bench-{batch_calls}"
    register_blocks(
        {f"SOROBANFLOW_{key}": url for key, url in urls.items()} | {"SOROBANFLOW_BLOCK": name}
    )
    _set_batch_calls(name, batch_calls)
    summary: Any = index(rpc=name, database=name, start_ledger="oldest", **parameters)
    assert (summary.rows["events"], summary.rows["transactions"]) == (EVENTS, TRANSACTIONS)
    print(f"{variant}: {summary.seconds:.2f} s", flush=True)
    return float(summary.seconds)


def _set_batch_calls(name: str, batch_calls: int) -> None:
    from blocks import StellarRpc  # noqa: PLC0415
    from blocks.documents import load_block  # noqa: PLC0415

    block = load_block(StellarRpc, name)
    block.batch_calls = batch_calls
    block.save(name, overwrite=True)


def _table(times: pd.DataFrame) -> str:
    grouped = times.groupby("variant", sort=False)["seconds"].agg(["median", "min", "max"])
    grouped["times faster"] = grouped["median"].iloc[0] / grouped["median"]
    lines = ["| variant | median s | min | max | times faster |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row.Index} | {row[1]:.2f} | {row[2]:.2f} | {row[3]:.2f} | {row[4]:.1f} |"
        for row in grouped.itertuples()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
