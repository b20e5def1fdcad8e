"""Run every command of the README in order, in a copy of the checkout, as a reader would.

Addresses that a reader replaces are replaced with the test's own services.
Commands that run until they are stopped keep running until the test ends.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from sorobanflow.devnet import Chain, ChainLake, DevnetServer, LakeServer
from sorobanflow.devnet.generator.cast import TOKEN
from tests.ledgers import generated
from tests.prefect_home import WITHOUT_BLOCKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

#: Runs one command of sorobanflow, or `make run`, after another: each line of its input has the
#: words of one and its environment, each line of its output the exit code. Only the first imports
#: Prefect, which takes 4 s of CPU.
ONE_AFTER_ANOTHER = """
import json, os, sys
from deployments import command_line, local
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what commands print goes to the log, with their errors
for line in sys.stdin:
    words, variables = json.loads(line)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = words
    code = local.main() if words[0] == "make" else command_line.main(words[1:])
    print(code, file=answers, flush=True)
"""
#: Commands that run until they are stopped, and what they print when they are ready.
FOREVER = {
    "make ui": "Prefect UI: http",
    "sorobanflow worker": "started!",
    "sorobanflow devnet --port": "devnet: http",
}
#: The tests reach no network.
PUBLIC_LAKE = "https://aws-public-blockchain.s3.us-east-2.amazonaws.com/v1.1/stellar/ledgers/pubnet"
#: The test command cannot run within itself; .ci/run runs these.
ELSEWHERE = ("make test", "make lint")


class Reader:
    """Type the README's commands, one after another, in one folder."""

    def __init__(self, folder: Path, replacements: dict[str, str], ui_port: int) -> None:
        self._folder = folder
        self._replacements = replacements
        self._environment = os.environ | {"UI_PORT": str(ui_port), "FOLLOW": "1"} | WITHOUT_BLOCKS
        # As if the command were installed from this folder.
        self._environment["PYTHONPATH"] = f"{folder / 'src'}{os.pathsep}{folder}"
        self._environment.pop("PREFECT_API_URL", None)
        self._forever: list[subprocess.Popen[bytes]] = []
        self._commands: subprocess.Popen[str] | None = None
        self.api_url = f"http://127.0.0.1:{ui_port}/api"

    def shell(self, line: str) -> None:
        line = self._replaced(line)
        if line == ". .venv/bin/activate":
            path = f"{self._folder / '.venv/bin'}{os.pathsep}{self._environment['PATH']}"
            self._environment["PATH"] = path
        elif line.startswith("export "):
            pairs = line.removeprefix("export ").split()
            self._environment |= dict(pair.split("=", 1) for pair in pairs)
        elif ready := next((text for name, text in FOREVER.items() if line.startswith(name)), None):
            self._start(line, ready)
        elif line.startswith("sorobanflow ") and self._forever:
            self._command(shlex.split(line))
        elif line.startswith("make run ") and self._forever:
            self._run(["bash", "-c", f"{line} --dry-run"])
            make, run, *given = shlex.split(line)
            self._command([make, run], dict(one.split("=", 1) for one in given))
        else:
            self._run(["bash", "-c", line])

    def keep_ui_running(self) -> None:
        """Have `make ui` run in another terminal; the server takes seconds of CPU to start."""
        if not self._forever:
            self._start("make ui", FOREVER["make ui"])

    def stop(self) -> None:
        if self._commands:
            with self._commands as commands:
                commands.kill()
        for process in reversed(self._forever):
            for child in psutil.Process(process.pid).children(recursive=True):
                if child.pid == os.getpgid(child.pid):
                    child.kill()  # a run of the worker, which would follow for minutes
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _replaced(self, text: str) -> str:
        for old, new in self._replacements.items():
            text = text.replace(old, new)
        return text

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=240,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}"

    def _command(self, words: list[str], variables: Mapping[str, str] = {}) -> None:
        """Run a command in the process of those before it."""
        log = self._folder / "commands.log"
        if self._commands is None:
            with log.open("wb") as output:
                self._commands = subprocess.Popen(
                    [sys.executable, "-c", ONE_AFTER_ANOTHER],
                    cwd=self._folder,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    text=True,
                )
        assert self._commands.stdin is not None
        assert self._commands.stdout is not None
        request = [words, self._environment | variables]
        print(json.dumps(request), file=self._commands.stdin, flush=True)
        assert self._commands.stdout.readline() == "0\n", f"{words}\n{log.read_text()}"

    def _start(self, line: str, ready: str) -> None:
        log = self._folder / f"forever-{len(self._forever)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", line],
                cwd=self._folder,
                env=self._environment | {"PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._forever.append(process)
        deadline = time.monotonic() + 120
        while ready not in log.read_text():
            assert process.poll() is None, f"{line}\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{line}: not ready\n{log.read_text()}"
            time.sleep(0.2)


@pytest.fixture
def checkout(tmp_path: Path, prefect_home: Callable[[], Path]) -> Path:
    """Copy the files that git knows, with the environment that runs this test."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for name in listed.stdout.decode().split():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / ".sorobanflow").mkdir()
    shutil.move(prefect_home(), tmp_path / ".sorobanflow" / "prefect")
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(tmp_path / name, (0, 0))  # nothing to install: it is installed
    for stamp in (".installed", ".installed-dev"):
        (Path(sys.prefix) / stamp).touch()
    return tmp_path


@pytest.fixture
def reader(
    checkout: Path, database_url: str, recording_path: Callable[[str], Path]
) -> Iterator[Reader]:
    """Make a reader with its own node, data lake, database and recording."""
    ui_port, devnet_port = _free_port(), _free_port()
    chain = Chain(generated(), closed=20, close_every_s=1)
    with DevnetServer(chain) as node, LakeServer(ChainLake(chain)) as lakes:
        replacements = {
            PUBLIC_LAKE: lakes.url,
            "https://rpc.example.org": node.url,
            "postgresql://me@db.example.org/stellar": database_url,
            "ledgers.jsonl.gz": str(recording_path("pubnet-63800060")),
            "127.0.0.1:4200": f"127.0.0.1:{ui_port}",
            "--port 8000": f"--port {devnet_port}",
            "--follow-s 30": "--follow-s 1",
            "60000000": "1",
            "60010000": "15",
            "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75": TOKEN,
        }
        reader = Reader(checkout, replacements, ui_port)
        try:
            yield reader
        finally:
            reader.stop()


@pytest.mark.xdist_group("prefect_api")  # the largest group starts first; this takes longest
@pytest.mark.timeout(900)  # every command of the README, one after the other
@pytest.mark.usefixtures("new_database")
def test_readme_commands_run(reader: Reader, database_url: str) -> None:
    for text in BLOCK.findall(README):
        for line in text.splitlines():
            if line not in ELSEWHERE:
                reader.shell(line)
        # From the second block on, so that only the first `make run` starts a server of its own.
        reader.keep_ui_running()
    _wait_for_worker(reader.api_url)
    _check_steps(reader.api_url)
    with urllib.request.urlopen(reader.api_url.replace("/api", "/ui-settings")) as answer:
        assert json.load(answer)["api_url"] == reader.api_url
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) > 100 FROM transactions").fetchone()
    assert row == (True,)


def test_commands_that_run_elsewhere_are_in_ci() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    script = [line.partition(" &")[0] for line in lines]
    assert [line for line in ELSEWHERE if line not in script] == []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_worker(api_url: str) -> None:
    """Wait until a run of the deployment follows the network."""
    body = {"deployments": {"name": {"any_": ["index"]}}, "sort": "EXPECTED_START_TIME_ASC"}
    deadline = time.monotonic() + 120
    states: list[Any] = []
    while "RUNNING" not in states:
        assert time.monotonic() < deadline, f"no run of the deployment runs: {states}"
        assert not {"FAILED", "CRASHED"} & set(states), states
        request = urllib.request.Request(
            f"{api_url}/flow_runs/filter",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            states = [run["state_type"] for run in json.load(answer)]
        time.sleep(1)


def _check_steps(api_url: str) -> None:
    """The UI shows each batch of a run in its three tasks, with arrows from one to the next."""
    deadline = time.monotonic() + 60
    while not _steps_are_complete(runs := _task_runs(api_url)):  # the server records them later
        assert time.monotonic() < deadline, sorted(run["name"] for run in runs)
        time.sleep(0.5)
    events, chunks, upserts = (
        {run["id"]: _before(run) for run in runs if run["name"].startswith(name)}
        for name in ("fetch-events ", "fetch-transactions ", "upsert-batch ")
    )
    assert len(events) >= len(upserts) > 0
    assert all(before <= events.keys() and len(before) == 1 for before in chunks.values())
    assert all(before <= chunks.keys() and before for before in upserts.values())
    # Every chunk that was planned is a task run of its own, and its batch was stored after it.
    assert set().union(*upserts.values()) == chunks.keys()


def _steps_are_complete(runs: list[dict[str, Any]]) -> bool:
    recorded = {run["id"] for run in runs}
    return bool(runs) and all(
        _before(run) <= recorded and run["state_type"] == "COMPLETED" for run in runs
    )


def _task_runs(api_url: str) -> list[dict[str, Any]]:
    """Read the task runs of the first run that stored batches: that of `make run`."""
    flow_runs = _post(api_url, "flow_runs/filter", {"sort": "START_TIME_ASC"})
    stored = [run["id"] for run in flow_runs if re.fullmatch(r"index \d+-\d+", run["name"])]
    only = {"flow_runs": {"id": {"any_": stored[:1]}}}
    return [
        run for run in _post(api_url, "task_runs/filter", only) if run["name"] != "report index"
    ]


def _before(run: dict[str, Any]) -> set[str]:
    """Ids of the task runs that a task run builds on."""
    return {one["id"] for one in run["task_inputs"].get("wait_for", [])}


def _post(api_url: str, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{api_url}/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return list(json.load(answer))
