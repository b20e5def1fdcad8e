"""A home for a Prefect server whose database is made already.

Making it takes 12 s of CPU, for it passes a hundred migrations. So it is made
once for each version of Prefect and kept in pytest's cache; a server gets a copy.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

DATABASE = "prefect.db"


def prefect_database(cache: pytest.Cache) -> Path:
    """Give the file of an empty database; whoever comes first makes it."""
    folder = cache.mkdir(f"prefect-{version('prefect')}")
    database = folder / DATABASE
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            _make(database)
    return database


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
