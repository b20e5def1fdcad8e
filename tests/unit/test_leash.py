"""A process on a leash ends with its starter, with what it started, and when it is not wanted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flows.leash import OUTPUT_BYTES, run_on_leash

SLEEPER = "import time; time.sleep(60)"
#: Starts a process of its own, tells both ids, and stays.
LEASHED = f"""
import os, pathlib, subprocess, sys, time
from flows.leash import end_with_starter
end_with_starter()
child = subprocess.Popen([sys.executable, "-c", "{SLEEPER}"])
path = pathlib.Path(sys.argv[1])
path.with_suffix(".tmp").write_text(f"{{os.getpid()}} {{child.pid}}")
path.with_suffix(".tmp").rename(path)
time.sleep(60)
"""
STARTER = """
import os, sys
from flows.leash import run_on_leash
run_on_leash([sys.executable, "-c", *sys.argv[1:]], dict(os.environ), lambda: True)
"""


def _ids(path: Path) -> list[int]:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(pid) for pid in path.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # nobody has asked for its exit code, that is all


def _wait_for_end(pids: list[int]) -> None:
    deadline = time.monotonic() + 5
    while any(map(_alive, pids)):
        assert time.monotonic() < deadline, pids
        time.sleep(0.02)


def _run(program: str) -> tuple[int, str]:
    return run_on_leash([sys.executable, "-c", program], dict(os.environ), lambda: True)


def test_exit_code_and_output_are_given() -> None:
    assert _run("import sys; print('one', flush=True); sys.exit('two')") == (1, "one\ntwo")


def test_of_much_output_only_the_end_is_kept() -> None:
    code, output = _run("print('x' * 3_000_000 + 'end')")
    assert (code, len(output), output[-4:]) == (0, OUTPUT_BYTES - 1, "xend")


def test_unwanted_process_is_killed_with_what_it_started(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    command = [sys.executable, "-c", LEASHED, str(path)]
    code, _ = run_on_leash(command, dict(os.environ), lambda: not path.exists())
    assert code == -signal.SIGKILL
    _wait_for_end(_ids(path))


def test_process_ends_with_a_killed_starter_and_so_does_what_it_started(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    with subprocess.Popen([sys.executable, "-c", STARTER, LEASHED, str(path)]) as starter:
        pids = _ids(path)
        assert all(map(_alive, pids))
        starter.kill()
    _wait_for_end(pids)
