"""Serve the metrics: what the runs counted, and the state of node, database and streams.

    sorobanflow metrics --port 9464

Runs count in the folder that SOROBANFLOW_METRICS_DIR names, in their environment
as in this one's; node and database are those of the blocks. The state is read by
this process, so it is served whether or not a run works. Invariant: a scrape
neither waits for node and database nor fails because of them.
"""

import errno
import logging
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread, main_thread

from prometheus_client import CollectorRegistry, Metric, start_http_server
from sqlalchemy import Engine

from blocks import Database, StellarRpc
from blocks.database import ConnectionPool
from blocks.documents import load_block
from deployments.services import interrupt_on_signals
from flows.harness.metrics import VARIABLE
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.metrics.slots import FolderCollector
from sorobanflow.metrics.state import status_metrics
from sorobanflow.ports import in_use
from sorobanflow.status.model import Status
from sorobanflow.status.read import read_status

_log = logging.getLogger(__name__)

DEFAULT_FOLDER = Path(".sorobanflow/metrics")
#: Seconds between two readings of node and database, and age at which one is too old.
POLL_S, MAX_AGE_S = 10.0, 60.0
#: Seconds that a scrape waits for the first reading.
FIRST_READING_S = 5.0
#: Of the node's client: the next reading is the retry, so a weak node gets few calls.
CLIENT_SETTINGS = {"retry_attempts": 1, "timeout_s": 5.0, "breaker_wait_s": 0.0, "max_workers": 1}


class StatusCollector:
    """Reads the status regularly in a thread; a scrape gets the last reading."""

    def __init__(self, node: StellarRpc, database: Database) -> None:
        self._client = node.model_copy(update=CLIENT_SETTINGS).client()
        pool = ConnectionPool(max_idle=1, max_open=2)
        self._database = database.model_copy(update={"pool": pool})
        self._status: Status | None = None
        self._first_reading, self._closed = Event(), Event()
        self._thread = Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def collect(self) -> Iterable[Metric]:
        """Give the last reading, unless it is too old."""
        self._first_reading.wait(FIRST_READING_S)
        status = self._status
        if status and (datetime.now(UTC) - status.read_at).total_seconds() > MAX_AGE_S:
            status = None
        return status_metrics(status)

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        self._thread.join(FIRST_READING_S)

    def _run(self) -> None:
        with self._client as client, ExitStack() as stack:
            engine: Engine | SorobanflowError = ConfigurationError("not opened yet")
            self._status = read_status(engine, client)  # opening the database may take a while
            while not self._closed.is_set():
                try:
                    if not isinstance(engine, Engine):
                        engine = self._open(stack)
                    self._status = read_status(engine, client)
                except Exception as error:  # the next reading may succeed
                    _log.warning("the status was not read: %s", type(error).__name__)
                self._first_reading.set()
                self._closed.wait(POLL_S)

    def _open(self, stack: ExitStack) -> Engine | SorobanflowError:
        try:
            return stack.enter_context(self._database.engine())
        except SorobanflowError as error:
            return error


@contextmanager
def serve_metrics(
    folder: Path, node: StellarRpc | None, database: Database, host: str, port: int
) -> Iterator[str]:
    """Serve the metrics; gives their address. Port 0 is a free one; without a node, no state.

    Raises ConfigurationError if the port cannot be used or the node's block is not valid.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FolderCollector(folder))
    with ExitStack() as stack:
        if node is not None:
            status = stack.enter_context(closing(StatusCollector(node, database)))
            registry.register(status)
        try:
            server, thread = start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            message = f"no metrics on {host} port {port}: {error}"
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                other = "choose another one for the metrics, with --port or METRICS_PORT="
                message = in_use(port, other)
            raise ConfigurationError(message) from error
        try:
            yield f"http://{host}:{server.server_port}/metrics"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def metrics_folder() -> Path:
    """Give the folder where runs count; by default beside the other local data."""
    return Path(os.environ.get(VARIABLE) or DEFAULT_FOLDER).resolve()


def _end_with_stdin() -> None:
    while os.read(0, 1024):
        continue
    # An embedded database is then stopped properly. The signal goes to the main thread: in
    # another one it would not end `signal.pause`.
    signal.pthread_kill(main_thread().ident or 0, signal.SIGTERM)


def main(rpc: str, database: str, host: str, port: int, end_with_stdin: bool) -> int:
    """Serve the blocks' node and database until interrupted."""
    interrupt_on_signals()
    if end_with_stdin:
        Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    try:
        node, stored = load_block(StellarRpc, rpc), load_block(Database, database)
        with serve_metrics(metrics_folder(), node, stored, host, port) as address:
            print(f"metrics: {address}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":  # as it was called before
    raise SystemExit("error: run `sorobanflow metrics`")
