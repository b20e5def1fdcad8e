"""The local run: everything that indexing needs, on this machine, in one command.

    python -m deployments.local run     index once (what `make run` calls)
    python -m deployments.local ui      Prefect server and UI until interrupted
    python -m deployments.local psql    look at the embedded database

Reads RPC_URL, DATABASE_URL, RECORDING, START, FOLLOW, UI_PORT, METRICS_PORT, DB
and SQL from the environment; serves metrics while it indexes. What it starts it
stops; data and run history stay under `.sorobanflow/`.
"""

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from sqlalchemy.exc import OperationalError

from deployments.services import PREFECT_SETTINGS, PrefectServer, devnet
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.ledgers import LAST_LEDGER
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.pool import public_conninfo

HOME = Path(".sorobanflow")
BLOCK = "local"
DEVNET_DATABASE = "devnet"
DEVNET_FOLLOW_S = 5.0
DEVNET_OPTIONS = ("--ledgers", "60", "--close-every", "1")


@dataclass(frozen=True)
class Source:
    """What is indexed: a node, a recording, or the devnet's generated ledgers.

    Attributes:
        name: Name of the embedded database that holds it.
        rpc_url: Address of a real node; None: the devnet.
        devnet_options: Arguments of the devnet.
        parameters: Parameters of the flow.
    """

    name: str
    rpc_url: str | None
    devnet_options: tuple[str, ...]
    parameters: dict[str, Any]

    @classmethod
    def from_environment(cls) -> "Source":
        """Choose by RPC_URL and RECORDING.

        Raises:
            ConfigurationError: both are given, or a value is not valid.
        """
        rpc_url, recording = os.environ.get("RPC_URL"), os.environ.get("RECORDING")
        start = _start(os.environ.get("START"))
        if rpc_url and recording:
            raise ConfigurationError("RPC_URL and RECORDING are both given; give one of them")
        if rpc_url:
            name = f"node {urlsplit(rpc_url).hostname or ''}"
            return cls(_identifier(name), rpc_url, (), _parameters(start, 0.0))
        if recording:
            if not Path(recording).is_file():
                raise ConfigurationError(f"RECORDING={recording}: there is no such file")
            name = Path(recording).name.split(".")[0]
            # Another recording may be stored already: what lies between them is a gap.
            parameters = _parameters(start or "oldest", 0.0) | {
                "allow_gap": True,
                "stall_s": None,  # a recording has an end
            }
            return cls(_identifier(name), None, ("--recording", recording), parameters)
        options = (*DEVNET_OPTIONS, "--state", str(HOME / "devnet.json"))
        parameters = _parameters(start or "oldest", DEVNET_FOLLOW_S)
        return cls(DEVNET_DATABASE, None, options, parameters)


def run() -> int:
    """Start what is missing, run the index flow, print what it did, stop what was started.

    Gives the exit code: 1 if the run left something out.
    """
    source = Source.from_environment()
    database_url = os.environ.get("DATABASE_URL")
    look = (
        f'psql "{public_conninfo(database_url)}"' if database_url else f"make psql DB={source.name}"
    )
    ui_port, metrics_port = _port("UI_PORT", 4200), _port("METRICS_PORT", 0)
    with ExitStack() as stack:
        server = stack.enter_context(_prefect_server(ui_port))
        if not database_url:
            database_url = stack.enter_context(_embedded_database(source.name))
        rpc_url = source.rpc_url or stack.enter_context(devnet(source.devnet_options))
        code = _index(rpc_url, database_url, source.parameters, metrics_port)
        print(f"look at the rows:  {look}")
        print(f"look at the runs:  make ui  ({server})")
    return code


def _index(rpc_url: str, database_url: str, parameters: dict[str, Any], metrics_port: int) -> int:
    # Prefect reads its settings when it is imported, so not before they are known.
    from blocks import Database, StellarRpc  # noqa: PLC0415
    from blocks.documents import load_block  # noqa: PLC0415
    from deployments.metrics import metrics_folder, serve_metrics  # noqa: PLC0415
    from deployments.register_blocks import register_blocks  # noqa: PLC0415
    from flows.harness.metrics import VARIABLE  # noqa: PLC0415
    from flows.harness.terminal import run_and_print  # noqa: PLC0415
    from flows.index import index  # noqa: PLC0415

    names = {"RPC_URL": rpc_url, "DATABASE_URL": database_url, "BLOCK": BLOCK}
    register_blocks({f"SOROBANFLOW_{key}": value for key, value in names.items()})
    folder = metrics_folder()
    os.environ[VARIABLE] = str(folder)
    node, database = load_block(StellarRpc, BLOCK), load_block(Database, BLOCK)
    try:
        with serve_metrics(folder, node, database, "127.0.0.1", metrics_port) as address:
            print(f"metrics: {address}")
            return run_and_print(index, {"rpc": BLOCK, "database": BLOCK, **parameters})
    finally:
        _send_logs()


def _send_logs() -> None:
    """Send the run's last lines while the server is still there."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            handler.flush()


def ui() -> None:
    """Run the Prefect server with its UI until interrupted."""
    server = PrefectServer(HOME / "prefect", _port("UI_PORT", 4200))
    server.start()
    try:
        server.wait()
        print(f"Prefect UI: {server.ui_url}", flush=True)
        if not server.started:
            print("it runs already")
        while server.started:
            time.sleep(1)
    except KeyboardInterrupt:
        print("stopped; the run history stays")
    finally:
        server.stop()


def psql() -> int:
    """Run the embedded server's own psql on database DB; SQL runs one statement."""
    name = os.environ.get("DB") or DEVNET_DATABASE
    statement = os.environ.get("SQL")
    with _embedded_database(name) as url:
        command = [str(EmbeddedPostgres.psql_path()), url]
        return subprocess.call(command + (["-c", statement] if statement else []))


@contextmanager
def _prefect_server(port: int) -> Iterator[str]:
    """Have a Prefect API: the user's, one that runs, or a new one; gives the UI's address."""
    os.environ.update(PREFECT_SETTINGS)
    if api_url := os.environ.get("PREFECT_API_URL"):
        yield api_url.removesuffix("/api")
        return
    server = PrefectServer((HOME / "prefect").resolve(), port)
    server.start()
    print("Prefect server: " + ("starting" if server.started else f"using {server.ui_url}"))
    try:
        server.wait()
        os.environ["PREFECT_API_URL"] = server.api_url
        os.environ["PREFECT_HOME"] = str((HOME / "prefect").resolve())
        yield server.ui_url
    finally:
        server.stop()


@contextmanager
def _embedded_database(name: str) -> Iterator[str]:
    with EmbeddedPostgres(HOME / "postgres") as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield server.url_of(name)


def _parameters(start: int | str | None, follow_s: float) -> dict[str, Any]:
    follow = os.environ.get("FOLLOW") or str(follow_s)
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]+)?", follow, re.ASCII):
        raise ConfigurationError(f"FOLLOW={follow}: wanted seconds, 0 to 86400")
    return {"start_ledger": start, "follow_s": float(follow)}


def _start(text: str | None) -> int | str | None:
    if not text or text in ("oldest", "latest"):
        return text or None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_LEDGER:
        return int(text)
    raise ConfigurationError(f"START={text}: wanted a ledger number, oldest or latest")


def _port(variable: str, default: int) -> int:
    port = os.environ.get(variable)
    if not port:
        return default
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ConfigurationError(f"{variable}={port}: wanted a port, 1 to 65535")
    return int(port)


def _identifier(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the named command; an error of ours is one line, not a trace."""
    commands = {"run": run, "ui": ui, "psql": psql}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(f"usage: python -m deployments.local {'|'.join(commands)}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell starts jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    HOME.mkdir(exist_ok=True)
    try:
        return commands[sys.argv[1]]() or 0
    except (SorobanflowError, OperationalError, psycopg.OperationalError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was committed stays, the next run goes on from there")
        return 130


if __name__ == "__main__":
    sys.exit(main())
