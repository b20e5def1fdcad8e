"""The local run: everything that indexing needs, on this machine, in one command.

    python -m deployments.local run     index once (what `make run` calls)
    python -m deployments.local ui      Prefect server and UI until interrupted
    python -m deployments.local psql    query the embedded database

Reads RPC_URL, RECORDING, LAKE, DATABASE_URL, START, END, FOLLOW, UI_PORT,
METRICS_PORT, DB and SQL from the environment; serves metrics while it indexes. It stops what it
starts; data and run history stay in `.sorobanflow/`.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from sqlalchemy.exc import OperationalError

from deployments.local_job import DEVNET_DATABASE, HOME, Job, job_from_environment
from deployments.services import (
    PREFECT_SETTINGS,
    devnet,
    interrupt_on_signals,
    prefect_server,
    server_answers,
)
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import public_conninfo

if TYPE_CHECKING:
    from blocks import DataLake

PREFECT_HOME = HOME / "prefect"
BLOCK = "local"


def run() -> int:
    """Start what is missing, run the index flow, print what it did, stop what was started.

    Gives the exit code: 1 if the run left something out.
    """
    job = job_from_environment()
    database_url = os.environ.get("DATABASE_URL")
    psql_command = f"make psql DB={job.database}"
    if database_url:
        psql_command = f'psql "{public_conninfo(database_url)}"'
    ui_port, metrics_port = _port("UI_PORT", 4200), _port("METRICS_PORT", 0)
    with ExitStack() as stack:
        server = stack.enter_context(_prefect_api(ui_port))
        database_url = database_url or stack.enter_context(_embedded_database(job.database))
        rpc_url = job.rpc_url
        if not (rpc_url or job.lake):
            rpc_url = stack.enter_context(devnet(job.devnet_options))
        code = _index(job, rpc_url, database_url, metrics_port)
        print(f"to see the rows:  {psql_command}")
        print(f"to see the runs:  make ui  ({server})")
    return code


def _index(job: Job, rpc_url: str | None, database_url: str, metrics_port: int) -> int:
    # Prefect reads its settings when it is imported: not before they are set.
    from blocks import Database, DataLake, StellarRpc  # noqa: PLC0415
    from blocks.documents import load_block  # noqa: PLC0415
    from blocks.prefect_api import named_api_failures  # noqa: PLC0415
    from deployments.metrics import metrics_folder, serve_metrics  # noqa: PLC0415
    from deployments.register_blocks import register_blocks  # noqa: PLC0415
    from flows.backfill import backfill  # noqa: PLC0415
    from flows.harness.metrics import VARIABLE  # noqa: PLC0415
    from flows.harness.terminal import run_and_print  # noqa: PLC0415
    from flows.index import index  # noqa: PLC0415

    urls = {"RPC_URL": rpc_url, "LAKE_URL": job.lake, "DATABASE_URL": database_url}
    values = {f"SOROBANFLOW_{name}": url for name, url in urls.items() if url}
    with named_api_failures():
        register_blocks(values | {"SOROBANFLOW_BLOCK": BLOCK})
    folder = metrics_folder()
    os.environ[VARIABLE] = str(folder)
    node = None if job.lake else load_block(StellarRpc, BLOCK)
    database = load_block(Database, BLOCK)
    parameters = {"rpc": BLOCK, "database": BLOCK, **job.parameters}
    if job.lake:
        parameters |= {"source": BLOCK}
        if not job.has_both_ends:
            parameters = _ends(load_block(DataLake, BLOCK)) | parameters
    try:
        with serve_metrics(folder, node, database, "127.0.0.1", metrics_port) as address:
            print(f"metrics: {address}")
            return run_and_print(backfill if job.lake else index, parameters)
    finally:
        # Send the run's last log lines before the server stops.
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            for handler in logging.getLogger(name).handlers:
                handler.flush()


def _ends(lake: "DataLake") -> dict[str, Any]:
    """Ask a lake for its oldest and its newest ledger."""
    with lake.client() as client:
        available = lake.source(client).available()
    return {"start_ledger": available.oldest, "end_ledger": available.newest}


def ui() -> int:
    """Run the Prefect server with its UI until interrupted."""
    port = _port("UI_PORT", 4200)
    if server_answers(f"http://127.0.0.1:{port}"):
        print(f"Prefect UI: http://127.0.0.1:{port}, already running")
        return 0
    with prefect_server(PREFECT_HOME, port) as url:
        print(f"Prefect UI: {url}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopped; the run history stays")
    return 0


def psql() -> int:
    """Run the embedded server's own psql on database DB; SQL runs one statement."""
    statement = os.environ.get("SQL")
    with _embedded_database(os.environ.get("DB") or DEVNET_DATABASE) as url:
        command = [str(EmbeddedPostgres.psql_path()), url]
        return subprocess.call(command + (["-c", statement] if statement else []))


@contextmanager
def _prefect_api(port: int) -> Iterator[str]:
    """Provide a Prefect API, the user's or a local one; gives the UI's address."""
    os.environ.update(PREFECT_SETTINGS)
    if api_url := os.environ.get("PREFECT_API_URL"):
        yield api_url.removesuffix("/api")
        return
    home = PREFECT_HOME.resolve()
    print(f"waiting for the Prefect server at http://127.0.0.1:{port}")
    with prefect_server(home, port) as url:
        os.environ |= {"PREFECT_API_URL": f"{url}/api", "PREFECT_HOME": str(home)}
        yield url


@contextmanager
def _embedded_database(name: str) -> Iterator[str]:
    with EmbeddedPostgres(HOME / "postgres") as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield server.url_of(name)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise ConfigurationError(f"{variable}={text}: expected a port, 1 to 65535")
    return int(text)


def main() -> int:
    """Run the named command; an expected error is printed as one line."""
    commands = {"run": run, "ui": ui, "psql": psql}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(f"usage: python -m deployments.local {'|'.join(commands)}", file=sys.stderr)
        return 2
    interrupt_on_signals()
    HOME.mkdir(exist_ok=True)
    try:
        return commands[sys.argv[1]]()
    except (SorobanflowError, OperationalError, psycopg.OperationalError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was committed stays, and the next run continues from there")
        return 130


if __name__ == "__main__":
    sys.exit(main())
