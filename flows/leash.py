"""A process that does not outlive the one that started it, however that one ends.

The process reads its standard input, a pipe that nobody writes to: the end of
the pipe is the end of its starter, a SIGKILL included. What it started itself is
in its process group and ends with it. Works on every Unix, from any thread,
without a signal handler in either process.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
POLL_S = 0.2
#: Of the output, its end is kept.
OUTPUT_BYTES = 2048
PIPE_BYTES = 65_536
#: Reads in a row, so that one who writes without end is still asked for.
READS = 1000


def run_on_leash(
    command: Sequence[str], environment: dict[str, str], wanted: Callable[[], bool]
) -> tuple[int, str]:
    """Run a command in the project's folder until it ends, or is not wanted any more.

    Args:
        command: Its process calls `end_with_starter`.
        environment: All of its variables.
        wanted: Asked every `POLL_S` seconds; after a "no" the process is killed.

    Returns:
        Its exit code, negative if a signal ended it, and the end of its output.
    """
    with subprocess.Popen(  # noqa: S603 - no shell
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the starter, which then ends this one
    ) as process:
        assert process.stdout is not None
        output, pipe = b"", process.stdout.fileno()
        os.set_blocking(pipe, False)
        try:
            while _runs(process) and wanted():
                output = _end(output, pipe)
        finally:
            _kill_group(process.pid)
        code = process.wait()
        output = _end(output, pipe)
    return code, output.decode(errors="replace").strip()


def end_with_starter() -> None:
    """Have this process end at once when its standard input does."""
    threading.Thread(target=_wait_for_end, name="leash", daemon=True).start()


def _runs(process: "subprocess.Popen[bytes]") -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(POLL_S)
    return process.returncode is None


def _end(output: bytes, pipe: int) -> bytes:
    """The end of the output so far and of what the pipe holds: nobody waits for its room."""
    with suppress(BlockingIOError):
        for _ in range(READS):
            if not (part := os.read(pipe, PIPE_BYTES)):
                break
            output = (output + part)[-OUTPUT_BYTES:]
    return output


def _wait_for_end() -> None:
    while os.read(0, PIPE_BYTES):
        continue
    if os.getpgrp() == os.getpid():  # as `run_on_leash` starts it
        _kill_group(os.getpid())
    os._exit(1)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
