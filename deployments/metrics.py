"""Serve the metrics: what the runs counted, and how node, database and streams are now.

    python -m deployments.metrics --port 9464

Runs count where SOROBANFLOW_METRICS_DIR says, in their environment as in this
one's; node and database are those of the blocks. A run that does not work, or
no run at all, is seen here too: node and database are asked by this process.
Invariant: a scrape waits for neither of them, and fails for neither.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, start_http_server
from sqlalchemy import Engine

from blocks import Database, StellarRpc
from blocks.database import ConnectionPool
from blocks.documents import DEFAULT_NAME, load_block
from flows.harness.metrics import VARIABLE
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.metrics.slots import FolderCollector
from sorobanflow.metrics.state import status_metrics
from sorobanflow.status.model import Status
from sorobanflow.status.read import read_status

_log = logging.getLogger(__name__)

FOLDER = Path(".sorobanflow/metrics")
PORT = 9464
#: Seconds between two readings of node and database, and for which one counts.
POLL_S, FRESH_S = 10.0, 60.0
#: Seconds that a scrape waits for the first reading.
FIRST_S = 5.0
#: Nobody waits for this client, and it shall not make a weak node's life harder.
IMPATIENT = {"retry_attempts": 1, "timeout_s": 5.0, "breaker_wait_s": 0.0, "max_workers": 1}


class StatusCollector:
    """Reads the status now and then, in a thread; gives the last reading to who scrapes.

    Args:
        node: Whom to ask.
        database: Where to look.

    Raises:
        ConfigurationError: the node's URL or a header cannot be used.
    """

    def __init__(self, node: StellarRpc, database: Database) -> None:
        self._client = node.model_copy(update=IMPATIENT).client()
        pool = ConnectionPool(max_idle=1, max_open=2)
        self._database = database.model_copy(update={"pool": pool})
        self._status: Status | None = None
        self._first, self._over = Event(), Event()
        self._thread = Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def collect(self) -> Iterable[Metric]:
        """Give the last reading, if it is fresh."""
        self._first.wait(FIRST_S)
        status = self._status
        if status and (datetime.now(UTC) - status.read_at).total_seconds() > FRESH_S:
            status = None
        return status_metrics(status)

    def close(self) -> None:
        """Read no more."""
        self._over.set()
        self._thread.join(FIRST_S)

    def _run(self) -> None:
        with ExitStack() as stack:
            client = stack.enter_context(self._client)
            engine: Engine | SorobanflowError = ConfigurationError("not opened yet")
            self._status = read_status(engine, client)  # to open a database may take a while
            while not self._over.is_set():
                try:
                    if not isinstance(engine, Engine):
                        engine = self._open(stack)
                    self._status = read_status(engine, client)
                except Exception as error:  # the next reading may be better than none
                    _log.warning("the status was not read: %s", type(error).__name__)
                self._first.set()
                self._over.wait(POLL_S)

    def _open(self, stack: ExitStack) -> Engine | SorobanflowError:
        try:
            return stack.enter_context(self._database.engine())
        except SorobanflowError as error:
            return error


@contextmanager
def serve_metrics(
    folder: Path, node: StellarRpc, database: Database, host: str, port: int
) -> Iterator[str]:
    """Serve within; gives the address.

    Args:
        folder: Where the runs count; may come later.
        node: Asked for its ledgers.
        database: Asked for what is stored.
        host: Address to listen on.
        port: Port; 0: a free one.

    Raises:
        ConfigurationError: nobody can listen there, or the node's block cannot be used.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FolderCollector(folder))
    status = StatusCollector(node, database)
    registry.register(status)
    try:
        server, thread = _listen(host, port, registry)
        try:
            yield f"http://{host}:{server.server_port}/metrics"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
    finally:
        status.close()


def _listen(host: str, port: int, registry: CollectorRegistry) -> tuple[WSGIServer, Thread]:
    try:
        return start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"no metrics on {host} port {port}: {error}") from error


def metrics_folder() -> Path:
    """Give the folder where runs count; by default one beside the other local data."""
    return Path(os.environ.get(VARIABLE) or FOLDER).resolve()


def _end_with_stdin() -> None:
    """End as if told to, so that an embedded database is left in order."""
    while os.read(0, 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m deployments.metrics")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=PORT, help=f"port, {PORT}; 0: a free one")
    parser.add_argument("--rpc", default=DEFAULT_NAME, help="name of the stellar-rpc block")
    parser.add_argument(
        "--database", default=DEFAULT_NAME, help="name of the sorobanflow-database block"
    )
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when the standard input does"
    )
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell starts jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    if options.end_with_stdin:
        Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    try:
        node = load_block(StellarRpc, options.rpc)
        database = load_block(Database, options.database)
        with serve_metrics(metrics_folder(), node, database, options.host, options.port) as address:
            print(f"metrics: {address}", flush=True)
            Event().wait()
    except SorobanflowError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
