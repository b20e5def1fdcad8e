"""The local run: everything that indexing needs, on this machine, in one command.

    python -m deployments.local run     index once (what `make run` calls)
    python -m deployments.local ui      Prefect server and UI until interrupted
    python -m deployments.local psql    query the embedded database

Reads RPC_URL, RECORDING, LAKE, DATABASE_URL, START, END, FOLLOW, UI_PORT,
METRICS_PORT, DB and SQL from the environment; serves metrics while it indexes. It stops what it
starts; data and run history stay in `.sorobanflow/`. Invariant: importing this takes a tenth of
a second, so that what has to be started is started first; what takes seconds to import is
imported meanwhile.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from deployments.addresses import check_database
from deployments.local_job import DEVNET_DATABASE, HOME, Job, job_from_environment
from deployments.services import (
    PREFECT_SETTINGS,
    WITHOUT_WORKERS,
    Wait,
    interrupt_on_signals,
    prefect_server,
    server_answers,
    starting_devnet,
    starting_prefect_server,
)
from flows.harness.encoding import print_any_text
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.ports import in_use, what_listens

PREFECT_HOME = HOME / "prefect"
UI_PORT = 4200


def run() -> int:
    """Start what is missing, run the index flow, print what it did, stop what was started.

    Gives the exit code: 1 if the run left something out.
    """
    job = job_from_environment()
    if database_url := os.environ.get("DATABASE_URL"):
        check_database("DATABASE_URL", database_url)
    psql_command = _psql_command(job, database_url)
    ui_port, metrics_port = port_of("UI_PORT", UI_PORT), port_of("METRICS_PORT", 0)
    if metrics_port and what_listens(metrics_port):
        raise ConfigurationError(in_use(metrics_port, "choose another METRICS_PORT="))
    ui_hint = _ui_hint(ui_port)
    with ExitStack() as stack:
        # All of them start at the same time, with what takes longest first.
        wait_for_server = stack.enter_context(_prefect_api(ui_port))
        wait_for_node = stack.enter_context(_node(job))
        if not database_url:
            from deployments.local_database import embedded_database  # noqa: PLC0415

            database_url = stack.enter_context(embedded_database(job.database))
        from deployments.local_index import index_job  # noqa: PLC0415

        rpc_url = wait_for_node()
        wait_for_server()
        code = index_job(job, rpc_url, database_url, metrics_port)
        print(f"to see the rows:  {psql_command}")
        print(f"to see the runs:  {ui_hint}", flush=True)
    return code


def ui(port: int | None = None) -> int:
    """Run the Prefect server with its UI until interrupted."""
    port = port or port_of("UI_PORT", UI_PORT)
    if server_answers(f"http://127.0.0.1:{port}"):
        print(f"Prefect UI: http://127.0.0.1:{port}, already running")
        return 0
    print(f"starting the Prefect server at http://127.0.0.1:{port}", flush=True)
    with prefect_server(PREFECT_HOME.resolve(), port) as url:
        print(f"Prefect UI: {url}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopped; the run history stays")
    return 0


def psql() -> int:
    """Run the embedded server's own psql on database DB; SQL runs one statement."""
    from deployments import local_database  # noqa: PLC0415 - not needed by `ui`

    name = os.environ.get("DB") or DEVNET_DATABASE
    return local_database.psql(name, os.environ.get("SQL"))


@contextmanager
def _prefect_api(port: int) -> Iterator[Wait]:
    """Start a Prefect server for this run, unless the user has one or one answers."""
    os.environ.update(PREFECT_SETTINGS)
    if api_url := os.environ.get("PREFECT_API_URL"):
        yield lambda: api_url.removesuffix("/api")
        return
    home, url = PREFECT_HOME.resolve(), f"http://127.0.0.1:{port}"
    said = f"using the Prefect server at {url}"
    if not server_answers(url):
        said = f"starting the Prefect server at {url}: some seconds, the first time more"
    with starting_prefect_server(home, port, WITHOUT_WORKERS) as wait:
        print(said, flush=True)
        os.environ |= {"PREFECT_API_URL": f"{url}/api", "PREFECT_HOME": str(home)}
        yield wait


@contextmanager
def _node(job: Job) -> Iterator[Callable[[], str | None]]:
    """Start the devnet, unless the job has a node or a lake."""
    if job.rpc_url or job.lake:
        yield lambda: job.rpc_url
        return
    with starting_devnet(job.devnet_options) as wait:
        yield wait


def _psql_command(job: Job, database_url: str | None) -> str:
    if not database_url:
        return f"make psql DB={job.database}"
    from sorobanflow.store.engine import public_conninfo  # noqa: PLC0415 - it imports SQLAlchemy

    return f'psql "{public_conninfo(database_url)}"'


def _ui_hint(port: int) -> str:
    """Say where the runs are shown, after this run as well; asked before a server is started."""
    url = f"http://127.0.0.1:{port}"
    if api_url := os.environ.get("PREFECT_API_URL"):
        return api_url.removesuffix("/api")
    if server_answers(url):
        return url
    variable = "" if port == UI_PORT else f" UI_PORT={port}"
    return f"make ui{variable}  ({url})"


def port_of(variable: str, default: int) -> int:
    """Read a port from the environment; ConfigurationError if it is not valid."""
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
    print_any_text()
    HOME.mkdir(exist_ok=True)
    try:
        return commands[sys.argv[1]]()
    except SorobanflowError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was committed stays, and the next run continues from there")
        return 130


if __name__ == "__main__":
    sys.exit(main())
