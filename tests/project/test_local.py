"""`make run` with wrong input: one clear line, nothing started, no secret printed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from blocks import Database
from deployments.local import main
from deployments.local_database import embedded_database, psql
from deployments.metrics import serve_metrics
from deployments.services import prefect_server
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import ConfigurationError
from tests.ledgers import generated
from tests.prefect_home import free_port

#: What answers like a Prefect server, as another user. It prints its port.
HEALTHY_AS_NOBODY = """
import encodings.idna, os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200), self.end_headers(), self.wfile.write(b"true")
os.setuid(65534)
server = HTTPServer(("127.0.0.1", 0), Health)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put the handlers of signals back, which the command replaces in its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"START": "soon"}, "START=soon: expected a ledger number, oldest or latest"),
        ({"START": "0"}, "START=0: expected a ledger number"),
        ({"FOLLOW": "abc"}, "FOLLOW=abc: expected seconds"),
        ({"UI_PORT": "x"}, "UI_PORT=x: expected a port"),
        ({"METRICS_PORT": "70000"}, "METRICS_PORT=70000: expected a port"),
        ({"RECORDING": "nowhere.gz"}, "RECORDING=nowhere.gz: there is no such file"),
        ({"RPC_URL": "http://x", "RECORDING": "y"}, "give one of them"),
        ({"LAKE": "x", "RECORDING": "y"}, "RECORDING and LAKE are given; give one of them"),
        ({"LAKE": "nowhere"}, "LAKE=nowhere: there is no such folder"),
        ({"LAKE": ".", "END": "latest"}, "END=latest: expected a ledger number"),
        ({"LAKE": "https://me:planted@x", "START": "5"}, "START and END are not both given"),
        ({"LAKE": "ftp://planted"}, "LAKE begins with ftp://; expected a folder, or a URL"),
        ({"RPC_URL": "ftp://planted"}, "RPC_URL begins with ftp://; expected an http or https"),
        ({"DATABASE_URL": "postgres//me:planted@h/db"}, "DATABASE_URL has no scheme; expected"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(
    variables: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["local", "run"])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main() == 1
    said = capsys.readouterr()
    assert message in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "planted" not in said.err
    assert list((tmp_path / ".sorobanflow").iterdir()) == []


def test_psql_names_the_databases_and_creates_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"no data in .*postgres yet; `make run`"):
        psql("typo", None)
    assert list(tmp_path.iterdir()) == []
    with embedded_database("devnet"):
        pass
    with pytest.raises(
        ConfigurationError, match=r"no database 'typo'; there are: devnet, postgres$"
    ):
        psql("typo", None)
    assert psql("devnet", "SELECT 1") == 0
    assert psql(None, "SELECT 'chosen: ' || current_database()") == 0
    said = capfd.readouterr()
    assert ("chosen: postgres" in said.out, said.err) == (
        True,
        "database postgres; others: --db devnet\n",
    )


def test_port_in_use_says_by_what(tmp_path: Path) -> None:
    with DevnetServer(Chain(generated(), closed=1)) as other, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = urlsplit(other.url).port or 0
        with pytest.raises(ConfigurationError, match=f"port {port} .*by an HTTP server; .*UI_PORT"):
            prefect_server(tmp_path, port).__enter__()
        with pytest.raises(ConfigurationError, match=f"port {port} .*METRICS_PORT="):
            serve_metrics(tmp_path, None, Database(), "127.0.0.1", port).__enter__()
        with pytest.raises(ConfigurationError, match=f"port {port} .*--port"):
            DevnetServer(Chain(generated(), closed=1), port)
        port = silent.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} .*no HTTP server.*UI_PORT"):
            prefect_server(tmp_path, port).__enter__()


def test_server_ends_with_the_command_that_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sorobanflow", "ui", "--port", str(free_port())]
    (tmp_path / ".sorobanflow").mkdir()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, cwd=tmp_path, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline().startswith("starting the Prefect server")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 30
        while not children.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        (server,) = children.read_text().split()
        time.sleep(0.3)  # a signal while a process is being started would come too early
        process.terminate()
        assert process.wait(30) == 130
    assert not Path(f"/proc/{server}").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_prefect_server_of_another_user_gets_no_secrets(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HEALTHY_AS_NOBODY]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            port = int(process.stdout.readline())
            with pytest.raises(ConfigurationError, match=rf"port {port}.*UI_PORT={port + 1}"):
                prefect_server(tmp_path, port).__enter__()
        finally:
            process.terminate()
