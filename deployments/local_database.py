"""The databases of the embedded PostgreSQL, for the local run, `make psql` and `sorobanflow psql`.

Each local run has one of its own; flows whose block has no address store in `postgres`.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from deployments.local_job import HOME
from sorobanflow.errors import ConfigurationError
from sorobanflow.store.embedded import EmbeddedPostgres

FOLDER = HOME / "postgres"
DEFAULT = "postgres"
_NAMES = "SELECT datname FROM pg_database WHERE NOT datistemplate"


@contextmanager
def embedded_database(name: str) -> Iterator[str]:
    """Give the URL of a database of the embedded server, created if missing."""
    with EmbeddedPostgres(FOLDER) as server:
        if name not in _names(server):
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield server.url_of(name)


@contextmanager
def existing_database(name: str) -> Iterator[str]:
    """Give the URL of a database of the embedded server; ConfigurationError if there is none."""
    with _running() as server:
        _check(name, sorted(_names(server)))
        yield server.url_of(name)


def psql(name: str | None, statement: str | None) -> int:
    """Run the server's own psql on a database that exists; gives its exit code.

    Without a name it says which one it takes, if there are others.

    Raises ConfigurationError if there is none of that name; creates nothing.
    """
    with _running() as server:
        names = sorted(_names(server))
        if name is None:
            name = DEFAULT
            if others := [f"--db {other}" for other in names if other != name]:
                print(f"database {name}; others: {', '.join(others)}", file=sys.stderr)
        _check(name, names)
        command = [str(EmbeddedPostgres.psql_path()), server.url_of(name)]
        return subprocess.call(command + (["-c", statement] if statement else []))


@contextmanager
def _running() -> Iterator[EmbeddedPostgres]:
    if not (FOLDER / "PG_VERSION").exists():
        raise ConfigurationError(f"no data in {FOLDER} yet; `make run` stores some")
    with EmbeddedPostgres(FOLDER) as server:
        yield server


def _check(name: str, names: list[str]) -> None:
    if name not in names:
        raise ConfigurationError(f"there is no database {name!r}; there are: {', '.join(names)}")


def _names(server: EmbeddedPostgres) -> list[str]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        return [name for (name,) in connection.execute(_NAMES)]
