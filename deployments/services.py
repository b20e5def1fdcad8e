"""Processes that a local run needs, on 127.0.0.1: a Prefect server, and the devnet.

Each is started without waiting for it, so that they start at the same time; what is given
waits until the process is ready.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from sorobanflow.errors import ConfigurationError
from sorobanflow.ports import in_use, what_listens

START_TIMEOUT_S, STOP_TIMEOUT_S = 180.0, 15.0
#: Seconds until the first line that says what is waited for; each wait is twice the last.
STILL_WAITING_S = 15.0

#: Nothing leaves the machine, and there is no log line for each task run.
PREFECT_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
}

#: The server stores a hundred task events together, or all after a second. Its default, one at a
#: time, takes 2.5 times the CPU.
SERVER_SETTINGS = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}

#: Services that serve workers, schedules and automations. A server that lives for one run by hand
#: needs none of them, and starts with a tenth less CPU.
SERVICES_OF_WORKERS = (
    *("SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "CANCELLATION_CLEANUP", "FOREMAN"),
    *("TRIGGERS", "REPOSSESSOR"),
)
WITHOUT_WORKERS = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in SERVICES_OF_WORKERS
}

#: Waits until a process is ready; gives its address.
Wait = Callable[[], str]


@contextmanager
def prefect_server(home: Path, port: int) -> Iterator[str]:
    """Run a Prefect server with its data in `home`; gives the address of its UI.

    A server that already answers on the port is used instead, and left running. Raises
    ConfigurationError if that one is another user's, if something else uses the port, or if the
    new one stopped or did not answer in time.
    """
    with starting_prefect_server(home, port) as wait:
        yield wait()


@contextmanager
def starting_prefect_server(
    home: Path, port: int, settings: Mapping[str, str] = {}
) -> Iterator[Wait]:
    """Do as `prefect_server`, without waiting; `settings` are more of a new server's."""
    url = f"http://127.0.0.1:{port}"
    if server_answers(url):
        _refuse_server_of_another_user(port)
        yield lambda: url
        return
    if what_listens(port):
        raise ConfigurationError(in_use(port, f"choose another one, such as UI_PORT={port + 1}"))
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--analytics-off"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, **PREFECT_SETTINGS, **SERVER_SETTINGS, **settings}
    environment["PREFECT_HOME"] = str(home)
    # By default the UI looks for the API on port 4200, whatever its own port is.
    environment["PREFECT_SERVER_UI_API_URL"] = f"{url}/api"
    # The user's setting for clients would make the server call another one.
    environment.pop("PREFECT_API_URL", None)
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield lambda: _wait_for_server(process, url, log)
    finally:
        _terminate(process)


def server_answers(url: str) -> bool:
    """Whether a Prefect server answers there."""
    try:
        # httpx would load the trusted certificates for each of five calls a second.
        with urllib.request.urlopen(f"{url}/api/health", timeout=5) as answer:
            return bool(answer.read().strip() == b"true")
    except (OSError, HTTPException):
        return False


def _refuse_server_of_another_user(port: int) -> None:
    """Blocks with secrets would be saved there. Only Linux says whose it is; root's is shared."""
    table = Path("/proc/net/tcp")
    for line in table.read_text().splitlines() if table.exists() else ():
        _, address, _, state, _, _, _, user, *_ = line.split()
        is_server = state == "0A" and address.endswith(f":{port:04X}")
        if is_server and user not in ("0", str(os.geteuid())):
            raise ConfigurationError(
                f"the Prefect server on port {port} is of another user of this machine; "
                f"choose another port, for example UI_PORT={port + 1}"
            )


def _wait_for_server(process: "subprocess.Popen[bytes]", url: str, log: Path) -> str:
    began = time.monotonic()
    next_line_s = STILL_WAITING_S
    while not server_answers(url):
        waited_s = time.monotonic() - began
        if process.poll() is not None:
            raise ConfigurationError(f"the Prefect server stopped while starting; see {log}")
        if waited_s > START_TIMEOUT_S:
            raise ConfigurationError(
                f"the Prefect server does not answer at {url}; see {log}, "
                "or choose another port with UI_PORT="
            )
        if waited_s > next_line_s:
            next_line_s *= 2
            said = f"waiting for the Prefect server, {waited_s:.0f} s so far"
            print(said, file=sys.stderr, flush=True)
        time.sleep(0.1)
    return url


@contextmanager
def devnet(arguments: Sequence[str]) -> Iterator[str]:
    """Run one of the devnet's servers, by default the node, as a process; gives its URL.

    Raises ConfigurationError with what it printed if it does not start.
    """
    with starting_devnet(arguments) as wait:
        yield wait()


@contextmanager
def starting_devnet(arguments: Sequence[str]) -> Iterator[Wait]:
    """Do as `devnet`, without waiting."""
    command = [sys.executable, "-m", "sorobanflow.devnet", *arguments, "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        yield lambda: _devnet_url(process)
    finally:
        _terminate(process)
        process.stdout.close()


def _devnet_url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(("devnet: http://", "lake: http://")):
        output = line + process.stdout.read()
        raise ConfigurationError(f"the devnet did not start: {output.strip()[-500:]}")
    print(line.strip(), flush=True)
    return line.split()[1]


def interrupt_on_signals() -> None:
    """Raise KeyboardInterrupt on SIGTERM and SIGINT: a shell starts jobs with SIGINT ignored."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


def _terminate(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
