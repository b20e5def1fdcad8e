"""Runs flows in processes that may be killed, without seconds of imports for each.

A server of a test: it imports the flows once, then forks a process for each line
`flow [arguments as JSON]` of its standard input. `scheduled-index` is the flow index in a run
with the tag that Prefect gives to runs of a schedule. It answers `pid`, and later
`pid exit-code`, negative where a signal ended the process.
"""

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).parents[2]
POLL_S = 0.005


class FlowProcess(NamedTuple):
    """A flow on its way in a process of its own."""

    pid: int
    exits: "Queue[int]"

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for its end; gives its exit code."""
        return self.exits.get(timeout=timeout_s)

    def signal(self, number: int) -> None:
        """Send a signal; nothing where it has ended."""
        os.kill(self.pid, number)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return not self.exits.empty()


class FlowServer:
    """Starts flows.

    Attributes:
        log: What the flows say, all in one file.
    """

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.log = log
        self._process = process
        self._started: Queue[FlowProcess] = Queue()
        self._running: dict[int, FlowProcess] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def start(self, flow: str, parameters: dict[str, Any]) -> FlowProcess:
        """Start a flow in a new process."""
        assert self._process.stdin is not None
        arguments = [f"{name}={json.dumps(value)}" for name, value in parameters.items()]
        print(flow, json.dumps(arguments), file=self._process.stdin, flush=True)
        return self._started.get(timeout=120)  # the first waits for its imports

    def run(self, flow: str, parameters: dict[str, Any]) -> None:
        """Run a flow to its end."""
        assert self.start(flow, parameters).wait() == 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            match [int(part) for part in line.split()]:
                case [pid]:
                    self._running[pid] = FlowProcess(pid, Queue())
                    self._started.put(self._running[pid])
                case [pid, code]:
                    self._running.pop(pid).exits.put(code)


@contextmanager
def open_flow_server(
    api_url: str, log: Path, *, events: bool, **variables: str
) -> Iterator[FlowServer]:
    """Start the server, with variables of the environment beside those of this process.

    Without `events` Prefect is not told about task runs, which costs it half of its work.
    """
    command = [sys.executable, "-m", "tests.flows.flow_server", *(["--no-events"] * (not events))]
    environment = os.environ | {"PREFECT_API_URL": api_url} | variables
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as process,
    ):
        yield FlowServer(process, log)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    # What Prefect imports with the first run; else each process would do it anew, 0.4 s of CPU.
    import fastapi.encoders  # noqa: F401, PLC0415
    import prefect.flow_engine  # noqa: PLC0415
    import prefect.task_engine  # noqa: PLC0415
    import prefect.utilities.visualization  # noqa: PLC0415
    from prefect.events.worker import EventsWorker  # noqa: PLC0415

    from flows.archive import archive  # noqa: PLC0415
    from flows.audit import audit  # noqa: PLC0415 - not in the tests' own process
    from flows.backfill import backfill  # noqa: PLC0415
    from flows.backfill_range import backfill_range  # noqa: PLC0415
    from flows.export import export  # noqa: PLC0415
    from flows.harness.terminal import run_flow  # noqa: PLC0415
    from flows.harness.turn import SCHEDULED  # noqa: PLC0415
    from flows.index import index  # noqa: PLC0415
    from sorobanflow.store.schema import newest_revision  # noqa: PLC0415

    def run_as_scheduled(arguments: list[str]) -> int:
        given = dict(argument.split("=", 1) for argument in arguments)
        try:
            with prefect.tags(SCHEDULED):
                index(**{name: json.loads(value) for name, value in given.items()})
        finally:  # what an ordinary end of a process waits for
            EventsWorker.instance().wait_until_empty()
        return 0

    if "--no-events" in sys.argv:
        from prefect.events.clients import NullEventsClient  # noqa: PLC0415

        EventsWorker.set_client_override(NullEventsClient)
    runs: dict[bytes, Callable[[list[str]], int]] = {
        flow.name.encode(): partial(run_flow, flow)
        for flow in (archive, audit, backfill, backfill_range, export, index)
    }
    runs[b"scheduled-index"] = run_as_scheduled

    newest_revision()  # reads all migrations, 50 ms
    assert threading.active_count() == 1, "a fork copies no other thread"
    gc.freeze()
    answers = os.dup(1)
    os.dup2(2, 1)  # what a flow prints is no answer
    lines, running = os.fdopen(0, "rb", buffering=0), set[int]()
    while True:
        if select.select([lines], [], [], POLL_S if running else None)[0]:
            words = lines.readline().split(b" ", 1)
            if not words[0]:
                return
            pid = os.fork()
            if not pid:
                _end_with(partial(runs[words[0]], json.loads(words[1])))
            running.add(pid)
            os.write(answers, b"%d\n" % pid)
        for pid in [*running]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                running.remove(pid)
                os.write(answers, b"%d %d\n" % (pid, os.waitstatus_to_exitcode(status)))


def _end_with(run: Callable[[], int]) -> NoReturn:
    """Run and end the process, as `python -m flows.<flow>` does."""
    code = 1
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's jobs ignore it
    try:
        code = run()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
