"""What the benchmarks share: the services they run on, rounds, tables and results.

The devnet, PostgreSQL and the Prefect server run in processes of their own, as
they do in production; every measurement gets a database of its own. Variants take
turns, and what is compared are medians of one run.
"""

import gc
import itertools
import json
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psycopg
from psycopg import sql
from sqlalchemy import Table

from deployments.services import PREFECT_SETTINGS, prefect_server
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store import schema
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings

RESULTS = Path(".sorobanflow/benchmarks")
RECORDINGS = (
    "applyload-10048",
    "pubnet-30822015",
    "pubnet-51000294",
    "pubnet-63092990",
    "pubnet-63800060",
)
ROUNDS = 5
TEMPLATE = "bench_template"

_numbers = itertools.count(1)


class Services(NamedTuple):
    """What every flow needs: a running PostgreSQL; Prefect's settings point at its server."""

    postgres: EmbeddedPostgres


def rounds_wanted() -> int:
    """Give the rounds that the command line asks for."""
    return int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS


@contextmanager
def services() -> Iterator[Services]:
    """Run a Prefect server and a PostgreSQL, with new data, until the block ends."""
    quiet = PREFECT_SETTINGS | {"PREFECT_LOGGING_LEVEL": "WARNING"}
    with (
        tempfile.TemporaryDirectory() as folder,
        _environment(quiet),
        prefect_server(Path(folder) / "prefect", _free_port()) as url,
        EmbeddedPostgres(Path(folder) / "postgres") as postgres,
        services_of(postgres, f"{url}/api") as services,
    ):
        yield services


@contextmanager
def services_of(postgres: EmbeddedPostgres, prefect_api: str) -> Iterator[Services]:
    """Measure on servers that run already, until the block ends."""
    make_template(postgres)
    # Prefect reads its settings when it is imported, so not before this.
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield Services(postgres)


def make_template(postgres: EmbeddedPostgres) -> None:
    """Make the database that `fresh_database` copies."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    with open_engine(postgres.url_of(TEMPLATE), PoolSettings(max_idle=0)) as engine:
        schema.prepare(engine)


@contextmanager
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Give the URL of a new database with empty tables, which is dropped at the end."""
    name = f"bench_{next(_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        # What the last measurement left to write is not to be paid by the next one.
        connection.execute("CHECKPOINT")
    gc.collect()
    try:
        yield postgres.url_of(name)
    finally:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def save_blocks(rpc_url: str, database_url: str, **settings: Any) -> dict[str, str]:
    """Save the two blocks that the flows read; gives the parameters that name them.

    Args:
        rpc_url: Of the node.
        database_url: Where to.
        settings: Fields of the block `stellar-rpc` that differ from its defaults.
    """
    from pydantic import SecretStr  # noqa: PLC0415

    from blocks import Database, StellarRpc  # noqa: PLC0415

    name = "bench"
    node = StellarRpc(url=SecretStr(rpc_url), **settings)
    for block in (node, Database(url=SecretStr(database_url))):
        block.save(name, overwrite=True)
    return {"rpc": name, "database": name}


def run_index(**parameters: Any) -> RunSummary:
    """Run the index flow; it must leave out nothing."""
    from flows.index import index  # noqa: PLC0415

    summary: Any = index(**parameters)
    assert isinstance(summary, RunSummary)
    assert summary.complete, summary.headline()
    return summary


def identifier(table: Table) -> sql.Identifier:
    """Name a table with its schema."""
    return sql.Identifier(*(part for part in (table.schema, table.name) if part))


def count_rows(database_url: str, *tables: str) -> tuple[int, ...]:
    """Count the rows of tables: what a measurement is worth depends on the work being done."""
    with psycopg.connect(database_url) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in tables]
    return tuple(count[0] for count in counts if count)


def in_turns(rounds: int, variants: Mapping[str, Callable[[], float]]) -> pd.DataFrame:
    """Let variants take turns; gives `variant` and `seconds` of each measurement."""
    times = []
    for _ in range(rounds):
        for name, measure in variants.items():
            times.append({"variant": name, "seconds": measure()})
            print(f"{name}: {times[-1]['seconds']:.3f} s", flush=True)
    return pd.DataFrame(times)


def spread(times: pd.DataFrame) -> pd.DataFrame:
    """Give median, least and most seconds per variant, in the order of the variants."""
    return times.groupby("variant", sort=False)["seconds"].agg(["median", "min", "max"])


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a table; the first column is text, the others are figures."""
    lines = [columns, ["---", *("---:" for _ in columns[1:])], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def save(name: str, **results: Any) -> None:
    """Keep the medians of a run, for the picture."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole = {"machine": machine(), **results}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")


def machine() -> str:
    """Say on what a run was made."""
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{cores} cores, Python {python}, Prefect {version('prefect')}, PostgreSQL 18"


def recording(name: str) -> Path:
    """Give the path of a recording, in the folder of the tests' data."""
    return test_data() / "recordings" / f"{name}.jsonl.gz"


def ledger_file(name: str) -> Path:
    """Give the path of a file of whole ledgers, in the folder of the tests' data."""
    return test_data() / "ledgers" / f"{name}.xdr.zst"


def wasm(name: str) -> Path:
    """Give the path of a Wasm, in the folder of the tests' data."""
    return test_data() / "wasms" / name


def test_data() -> Path:
    """Give the folder of the tests' data."""
    beside = Path(__file__).parents[2] / "shared"
    return Path(os.environ.get("SOROBANFLOW_TEST_DATA") or beside)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
