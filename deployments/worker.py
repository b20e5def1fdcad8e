"""A Prefect worker that also serves the metrics, in one command.

    sorobanflow worker --port 9464 -- --pool local --type process

What follows `--` is for `prefect worker start`. This process becomes the worker,
so signals and the exit code are the worker's own; a child process serves what the
worker's runs count, and ends with it, however it ends.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from deployments.metrics import metrics_folder
from flows.harness.metrics import VARIABLE

DEFAULT_OPTIONS = ("--pool", "local", "--type", "process")


def main(metrics_options: Sequence[str], worker_options: Sequence[str]) -> int:
    """Start the metrics, then become the worker; returns only if the metrics do not start."""
    os.environ[VARIABLE] = str(metrics_folder())
    # Only the worker holds the writing end, so the child's standard input closes with it.
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    server = subprocess.Popen(
        [sys.executable, "-m", "sorobanflow", "metrics", "--end-with-stdin", *metrics_options],
        stdin=reading,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the worker, which stops its runs first
    )
    os.close(reading)
    assert server.stdout is not None
    address = server.stdout.readline().decode()
    if address:
        print(address, end="", flush=True)
        worker = ["-m", "prefect", "worker", "start", *(worker_options or DEFAULT_OPTIONS)]
        os.execv(sys.executable, [sys.executable, *worker])  # noqa: S606 - no shell
    return server.wait()


if __name__ == "__main__":  # as it was called before
    raise SystemExit("error: run `sorobanflow worker`")
