"""A Prefect server for tests: its home, with a database that is made already, and its sharing.

Making the database takes 12 s of CPU, for it passes a hundred migrations. So it is made once
for each version of Prefect and kept in pytest's cache; a server gets a copy. Starting a server
takes 7 s of CPU, and one that idles 1.6 % of a core, so all test processes share one.
"""

import fcntl
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

DATABASE = "prefect.db"
#: Have a server not save the forms of Prefect's own blocks when it starts: 2 s of CPU.
WITHOUT_BLOCKS = {"PREFECT_API_BLOCKS_REGISTER_ON_START": "false"}
#: Name of this process among those of a test run.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")
_numbers = itertools.count(1)


def prefect_database(cache: pytest.Cache) -> Path:
    """Give the file of an empty database; whoever comes first makes it."""
    folder = cache.mkdir(f"prefect-{version('prefect')}")
    database = folder / DATABASE
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            _make(database)
    return database


@contextmanager
def shared_server(folder: Path, start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Give the address of the server of all processes that know the folder.

    The first of them starts it, and stops it when no other uses it any more.
    """
    address = folder / "address"
    with ExitStack() as stack:
        users = stack.enter_context((folder / "users").open("w"))
        with (folder / "start").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            is_ours = not address.exists()
            if is_ours:
                address.write_text(stack.enter_context(start()))
            fcntl.flock(users, fcntl.LOCK_SH)
        yield address.read_text()
        if is_ours:
            address.unlink()  # whoever comes now starts another one
            fcntl.flock(users, fcntl.LOCK_EX)


def unique_name(prefix: str) -> str:
    """Give a name for a block that no other test uses, in whatever process."""
    return "-".join(filter(None, (prefix, PROCESS, str(next(_numbers)))))


def free_port() -> int:
    """Give a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make(database: Path) -> None:
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"PREFECT_HOME": home}
        environment.pop("PREFECT_API_URL", None)
        subprocess.run(command, env=environment, check=True, capture_output=True)
        unfinished = database.with_suffix(".new")
        shutil.copy(Path(home) / DATABASE, unfinished)
        unfinished.rename(database)
