"""Planted keys and passwords turn up nowhere: no output, no log, no record of Prefect's.

Runs the real flow in processes of their own, against nodes and databases that
fail in the ways that make errors talk, and searches all that is left behind.
"""

import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from blocks import StellarRpc
from deployments.automations import register_automations
from deployments.register_blocks import register_blocks
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.flows.flow_server import FlowServer
from tests.ledgers import generated
from tests.project.conftest import EVERYTHING_LOGGED

ROOT = Path(__file__).parents[2]
PLANTED = {
    part: f"planted{part}{number}x7"
    for number, part in enumerate(
        ("user", "info", "path", "query", "header", "password", "wrong", "hook"), 1
    )
}
HEADERS = {"authorization": f"Bearer {PLANTED['header']}", "x-key": PLANTED["header"]}
ROLE = "planted_indexer"


def _forms() -> list[bytes]:
    """The secrets, plain and as HTTP's basic authentication."""
    basic = b64encode(f"{PLANTED['user']}:{PLANTED['info']}".encode())
    return [*(secret.encode() for secret in PLANTED.values()), basic.rstrip(b"=")]


def _assert_clean(what: str, content: bytes) -> None:
    for secret in _forms():
        at = content.find(secret)
        assert at < 0, f"{what} holds {content[max(0, at - 300) : at + 60]!r}"


def _node_url(address: str) -> str:
    user, info, path, query = (PLANTED[part] for part in ("user", "info", "path", "query"))
    return f"http://{user}:{info}@{address.removeprefix('http://')}/{path}?apikey={query}"


@contextmanager
def _echoing(status: int) -> Iterator[str]:
    """A node that answers every call with all that it was told."""

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            host = self.headers["Host"]
            told = f"no access to http://{host}{self.path} with {dict(self.headers)}"
            error = {"code": -32600, "message": told}
            answer = {"jsonrpc": "2.0", "id": request["id"], "error": error}
            body = json.dumps(answer).encode()
            self.send_response(status, told.replace("\n", " "))
            self.send_header("Location", f"http://{host}{self.path}&again=1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield _node_url(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.fixture
def guarded(postgres: EmbeddedPostgres, database_url: str) -> Iterator[Callable[[str], str]]:
    """Give the URL of a database that wants a password."""
    parts = conninfo_to_dict(database_url)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        (file,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(file).read_text()
        connection.execute(
            sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(
                sql.Identifier(ROLE), PLANTED["password"]
            )
        )
        try:
            Path(file).write_text(f"local all {ROLE} scram-sha-256\n{rules}")
            connection.execute("SELECT pg_reload_conf()")
            host, name = quote(str(parts["host"]), safe="/"), parts["dbname"]
            yield lambda secret: f"postgresql://{ROLE}:{secret}@/{name}?host={host}"
        finally:
            Path(file).write_text(rules)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(f"REASSIGN OWNED BY {ROLE} TO postgres")
            with psycopg.connect(database_url, autocommit=True) as inside:
                inside.execute(f"REASSIGN OWNED BY {ROLE} TO postgres")
            connection.execute(f"DROP ROLE {ROLE}")


class Runs:
    """Runs the flow and programs against the server, and searches what they print."""

    def __init__(self, prefect_api: str, flows: FlowServer, folder: Path) -> None:
        self._prefect_api, self._flows, self._folder = prefect_api, flows, folder

    def program(self, *command: str, **variables: str) -> tuple[int, str]:
        """Run a module; gives its exit code and what it printed."""
        own = {"PREFECT_API_URL": self._prefect_api, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=os.environ | own | EVERYTHING_LOGGED | variables,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        _assert_clean(f"the output of {command}", done.stdout)
        return done.returncode, done.stdout.decode()

    def index(self, rpc_url: str, database_url: str, stall_s: float = 300) -> tuple[int, str]:
        """Save the blocks and run the flow with them; gives the same."""
        variables = {
            "SOROBANFLOW_BLOCK": "planted",
            "SOROBANFLOW_RPC_URL": rpc_url,
            "SOROBANFLOW_RPC_HEADERS": json.dumps(HEADERS),
            "SOROBANFLOW_DATABASE_URL": database_url,
        }
        with temporary_settings({PREFECT_API_URL: self._prefect_api}):
            register_blocks(variables)
            block = StellarRpc.load("planted")
            assert isinstance(block, StellarRpc)
            block.retry_attempts = 2
            block.save("planted", overwrite=True)
        said_before = self._flows.log.stat().st_size
        blocks = {"rpc": "planted", "database": "planted"}
        parameters = {"start_ledger": "oldest", "stall_s": stall_s, **blocks}
        code = self._flows.start("index", parameters).wait()
        said = self._flows.log.read_bytes()[said_before:]
        _assert_clean("the output of the flow", said)
        return code, said.decode()


@pytest.fixture
def runs(prefect_api: str, flows: FlowServer, tmp_path: Path) -> Runs:
    return Runs(prefect_api, flows, tmp_path)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left(prefect_api: str, server_home: Path) -> Iterator[None]:
    """After the tests, search what Prefect answers, and what it keeps in its files."""
    yield
    with (
        temporary_settings({PREFECT_API_URL: prefect_api}),
        get_client(sync_client=True) as client,
    ):
        for kind in ("flow_runs", "task_runs", "logs", "artifacts", "block_documents", "events"):
            _assert_clean(f"Prefect's {kind}", json.dumps(_all(client, kind)).encode())
    files = [file for file in server_home.rglob("*") if file.is_file()]
    assert any(file.suffix == ".db" for file in files)
    for file in files:
        _assert_clean(file.name, file.read_bytes())


def _all(client: SyncPrefectClient, kind: str) -> list[Any]:
    found: list[Any] = []
    while True:
        body = {"limit": 200, "offset": len(found)}
        if kind == "events":
            return list(client._client.post("/events/filter", json={"limit": 50}).json()["events"])
        page = client._client.post(f"/{kind}/filter", json=body).json()
        found += page
        if len(page) < 200:
            return found


@pytest.mark.usefixtures("new_database")
def test_run_that_succeeds(runs: Runs, guarded: Callable[[str], str]) -> None:
    with DevnetServer(Chain(generated(), closed=5)) as server:
        code, said = runs.index(_node_url(server.url), guarded(PLANTED["password"]))
    assert code == 0, said
    assert "indexed 5 ledgers (1-5)" in said


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (200, "was refused (-32600): no access to"),
        (302, "redirects are not followed"),
        (401, "was refused (401)"),
        (500, "answered HTTP 500"),
    ],
)
def test_node_that_repeats_what_it_was_told(
    status: int, message: str, runs: Runs, guarded: Callable[[str], str]
) -> None:
    with _echoing(status) as url:
        code, said = runs.index(url, guarded(PLANTED["password"]), stall_s=5)
    assert (code, message in said) == (1, True), said


def test_node_that_is_not_there(runs: Runs, guarded: Callable[[str], str]) -> None:
    url = _node_url("http://127.0.0.1:9")
    code, said = runs.index(url, guarded(PLANTED["password"]), stall_s=5)
    assert (code, "http://127.0.0.1:9 failed (ConnectError" in said) == (1, True), said


def test_wrong_password_of_the_database(runs: Runs, guarded: Callable[[str], str]) -> None:
    with DevnetServer(Chain(generated(), closed=5)) as server:
        code, said = runs.index(_node_url(server.url), guarded(PLANTED["wrong"]))
    assert (code, "no connection to the database (" in said) == (1, True), said


@pytest.mark.usefixtures("new_database")
def test_make_run(runs: Runs, guarded: Callable[[str], str]) -> None:
    database = guarded(PLANTED["password"])
    with _echoing(401) as url:
        code, said = runs.program("deployments.local", "run", RPC_URL=url, DATABASE_URL=database)
        command = ["make", "--dry-run", "run", f"RPC_URL={url}", f"DATABASE_URL={database}"]
        printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert (code, "was refused (401)" in said) == (1, True), said
    _assert_clean("make", printed.stdout + printed.stderr)


def test_address_of_notifications(runs: Runs, prefect_api: str) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        register_automations(f"http://127.0.0.1:9/{PLANTED['hook']}")
