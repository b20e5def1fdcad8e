"""Processes that a local run needs: a persistent Prefect server, and the devnet.

Each is started only where it does not run yet, listens on 127.0.0.1, keeps its
data under one folder, and is stopped by whoever started it.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sorobanflow.errors import ConfigurationError

START_TIMEOUT_S = 180.0

#: Nothing leaves the machine, and a log line per task run would drown the rest.
PREFECT_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
}

#: The server writes down a hundred task events together, at the latest after a second. One at a
#: time, as it does by itself, costs it 2.5 times the CPU.
SERVER_SETTINGS = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}


class PrefectServer:
    """A Prefect server on 127.0.0.1, its home in a folder.

    Args:
        home: Folder of its database.
        port: Port of the API and the UI.
    """

    def __init__(self, home: Path, port: int) -> None:
        self._home = home
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ui_url(self) -> str:
        """Address of the UI."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """Address of the API."""
        return f"{self.ui_url}/api"

    @property
    def started(self) -> bool:
        """Whether this object started the server, rather than joined it."""
        return self._process is not None

    def start(self) -> None:
        """Begin to start the server, unless one answers already."""
        if self._answers():
            return
        self._home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "prefect", "server", "start"]
        command += ["--host", "127.0.0.1", "--port", str(self._port), "--analytics-off"]
        environment = os.environ | PREFECT_SETTINGS | SERVER_SETTINGS
        environment["PREFECT_HOME"] = str(self._home)
        # Else the UI looks for the API on port 4200, wherever it is served itself.
        environment["PREFECT_SERVER_UI_API_URL"] = self.api_url
        # A client's setting of the user must not make the server talk to another one.
        environment.pop("PREFECT_API_URL", None)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        """Return when the server answers.

        Raises:
            ConfigurationError: it stopped, or did not answer in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process is not None and self._process.poll() is not None:
                raise ConfigurationError(f"the Prefect server stopped; see {self._log}")
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"the Prefect server does not answer on port {self._port}; see {self._log}, "
                    "or choose another port with UI_PORT="
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server if this object started it."""
        if self._process is not None:
            _terminate(self._process)
            self._process = None

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api_url}/health", timeout=5) as answer:
                return bool(answer.read().strip() == b"true")
        except (OSError, urllib.error.URLError):
            return False


@contextmanager
def devnet(arguments: Sequence[str]) -> Iterator[str]:
    """Run the devnet in a process of its own; gives its URL.

    Raises:
        ConfigurationError: it did not start; says what it printed.
    """
    command = [sys.executable, "-m", "sorobanflow.devnet", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("devnet: http://"):
            rest = line + process.stdout.read()
            raise ConfigurationError(f"the devnet did not start: {rest.strip()[-500:]}")
        print(line.strip())
        yield line.split()[1]
    finally:
        _terminate(process)
        if process.stdout is not None:
            process.stdout.close()


def _terminate(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
