"""Fixtures that every test may use: the recorded data and a real PostgreSQL."""

import gzip
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sorobanflow.embedded import EmbeddedPostgres

DATA_VARIABLE = "SOROBANFLOW_TEST_DATA"
_database_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder with recordings/ and corpus/; absent: skip, under CI fail."""
    folder = Path(os.environ.get(DATA_VARIABLE) or Path(__file__).parents[2] / "shared")
    if (folder / "recordings").is_dir():
        return folder
    reason = f"no recordings in {folder}; set {DATA_VARIABLE} to the folder that holds them"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def corpus(test_data: Path) -> Callable[[str], list[dict[str, Any]]]:
    """Read a corpus file by its stem: header first, then its rows."""

    def read(name: str) -> list[dict[str, Any]]:
        with gzip.open(test_data / "corpus" / f"{name}.jsonl.gz", "rt") as lines:
            return [json.loads(line) for line in lines]

    return read


@pytest.fixture(scope="session")
def recording_path(test_data: Path) -> Callable[[str], Path]:
    """Give the path of a recording by its stem."""
    return lambda name: test_data / "recordings" / f"{name}.jsonl.gz"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL for the whole session, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="sorobanflow-test-"))
    try:
        with EmbeddedPostgres(folder / "postgres") as server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """URL of an empty database of the test's own."""
    name = f"test_{next(_database_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield postgres.url_of(name)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
