"""The local run: everything that indexing needs, on this machine, in one command.

    python -m deployments.local run     index once (what `make run` calls)
    python -m deployments.local ui      Prefect server and UI until interrupted
    python -m deployments.local psql    query the embedded database

Reads RPC_URL, DATABASE_URL, RECORDING, START, FOLLOW, UI_PORT, METRICS_PORT, DB
and SQL from the environment; serves metrics while it indexes. It stops what it
starts; data and run history stay in `.sorobanflow/`.
"""

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from sqlalchemy.exc import OperationalError

from deployments.services import (
    PREFECT_SETTINGS,
    devnet,
    interrupt_on_signals,
    prefect_server,
    server_answers,
)
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.ledgers import LAST_LEDGER
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import public_conninfo

HOME = Path(".sorobanflow")
PREFECT_HOME = HOME / "prefect"
BLOCK = "local"
DEVNET_DATABASE = "devnet"
DEVNET_FOLLOW_S = 5.0
DEVNET_OPTIONS = ("--ledgers", "60", "--close-every", "1", "--state", str(HOME / "devnet.json"))


class Job(NamedTuple):
    """What to index."""

    database: str  # name of the embedded database for it
    rpc_url: str | None  # of a real node; None: the devnet
    devnet_options: tuple[str, ...]
    parameters: dict[str, Any]  # of the flow


def job_from_environment() -> Job:
    """Choose a node, a recording or the devnet's generated ledgers, by RPC_URL and RECORDING.

    Raises ConfigurationError if both are given, or a value is not valid.
    """
    rpc_url, recording = os.environ.get("RPC_URL"), os.environ.get("RECORDING")
    parameters = {"start_ledger": _start(), "follow_s": _follow_s()}
    if rpc_url and recording:
        raise ConfigurationError("RPC_URL and RECORDING are both given; give one of them")
    if rpc_url:
        return Job(_identifier(f"node {urlsplit(rpc_url).hostname or ''}"), rpc_url, (), parameters)
    parameters["start_ledger"] = parameters["start_ledger"] or "oldest"
    if recording:
        if not Path(recording).is_file():
            raise ConfigurationError(f"RECORDING={recording}: there is no such file")
        # An earlier recording may be stored already, with a gap between the two.
        parameters |= {"allow_gap": True, "stall_s": None}
        database = _identifier(Path(recording).name.split(".")[0])
        return Job(database, None, ("--recording", recording), parameters)
    if not os.environ.get("FOLLOW"):
        parameters["follow_s"] = DEVNET_FOLLOW_S
    return Job(DEVNET_DATABASE, None, DEVNET_OPTIONS, parameters)


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
        rpc_url = job.rpc_url or stack.enter_context(devnet(job.devnet_options))
        code = _index(rpc_url, database_url, job.parameters, metrics_port)
        print(f"to see the rows:  {psql_command}")
        print(f"to see the runs:  make ui  ({server})")
    return code


def _index(rpc_url: str, database_url: str, parameters: dict[str, Any], metrics_port: int) -> int:
    # Prefect reads its settings when it is imported: not before they are set.
    from blocks import Database, StellarRpc  # noqa: PLC0415
    from blocks.documents import load_block  # noqa: PLC0415
    from blocks.prefect_api import named_api_failures  # noqa: PLC0415
    from deployments.metrics import metrics_folder, serve_metrics  # noqa: PLC0415
    from deployments.register_blocks import register_blocks  # noqa: PLC0415
    from flows.harness.metrics import VARIABLE  # noqa: PLC0415
    from flows.harness.terminal import run_and_print  # noqa: PLC0415
    from flows.index import index  # noqa: PLC0415

    values = {"RPC_URL": rpc_url, "DATABASE_URL": database_url, "BLOCK": BLOCK}
    with named_api_failures():
        register_blocks({f"SOROBANFLOW_{name}": value for name, value in values.items()})
    folder = metrics_folder()
    os.environ[VARIABLE] = str(folder)
    node, database = load_block(StellarRpc, BLOCK), load_block(Database, BLOCK)
    try:
        with serve_metrics(folder, node, database, "127.0.0.1", metrics_port) as address:
            print(f"metrics: {address}")
            return run_and_print(index, {"rpc": BLOCK, "database": BLOCK, **parameters})
    finally:
        # Send the run's last log lines before the server stops.
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            for handler in logging.getLogger(name).handlers:
                handler.flush()


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


def _start() -> int | str | None:
    text = os.environ.get("START")
    if not text or text in ("oldest", "latest"):
        return text or None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_LEDGER:
        return int(text)
    raise ConfigurationError(f"START={text}: expected a ledger number, oldest or latest")


def _follow_s() -> float:
    text = os.environ.get("FOLLOW") or "0"
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]+)?", text, re.ASCII):
        raise ConfigurationError(f"FOLLOW={text}: expected seconds, 0 to 86400")
    return float(text)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise ConfigurationError(f"{variable}={text}: expected a port, 1 to 65535")
    return int(text)


def _identifier(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]


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
