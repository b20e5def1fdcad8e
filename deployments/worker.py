"""A Prefect worker with the metrics beside it, in one command.

    python -m deployments.worker --port 9464 -- --pool local --type process

What follows `--` is for `prefect worker start`. This process becomes the worker,
so signals and the exit code are the worker's own; the metrics are served by a
process that ends with it, however it ends. The runs that the worker starts
count where that process reads.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

from deployments.metrics import metrics_folder
from flows.harness.metrics import VARIABLE

WORKER = ("--pool", "local", "--type", "process")


def main(arguments: Sequence[str]) -> int:
    """Start the metrics, then become the worker; returns only if the metrics do not start."""
    os.environ[VARIABLE] = str(metrics_folder())
    ours, theirs = _split(arguments)
    # Inherited by the worker and by nobody that it starts: the end of the pipe is its end.
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    server = subprocess.Popen(
        [sys.executable, "-m", "deployments.metrics", "--end-with-stdin", *ours],
        stdin=reading,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the worker, which takes its time
    )
    os.close(reading)
    assert server.stdout is not None
    address = server.stdout.readline().decode()
    if address:
        print(address, end="", flush=True)
        _become(["-m", "prefect", "worker", "start", *(theirs or WORKER)])
    return server.wait()


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    if "--" not in arguments:
        return arguments, ()
    at = list(arguments).index("--")
    return arguments[:at], arguments[at + 1 :]


def _become(command: Sequence[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, *command])  # noqa: S606 - no shell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
