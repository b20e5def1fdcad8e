"""Fixtures that every test may use: the recorded data and a real PostgreSQL."""

import gc
import gzip
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, Select, Table, Text, cast, func, literal, select, text, union_all
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import aggregate_order_by

from sorobanflow.devnet import Chain, DevnetServer, Generator
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import schema
from sorobanflow.store.coverage import pin_network
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.partitions import (
    PARTITION_LEDGERS,
    drop_partition,
    ensure_partitions,
    list_partitions,
    set_partition_ledgers,
)
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import metadata
from tests.integration.index_all import index_all
from tests.needs import missing
from tests.prefect_home import prefect_database

DATA_VARIABLE = "SOROBANFLOW_TEST_DATA"
#: Files in memory: a database takes a third of the CPU there to make and to drop. In containers
#: this may be small.
MEMORY, MEMORY_NEEDED = Path("/dev/shm"), 2 * 2**30
#: After how many new objects the collector of garbage looks at them, and after how many looks at
#: older ones. At the default, 700, 10, 10, it takes 2 % of the CPU of tests that decode.
GC_THRESHOLD = (50_000, 20, 50)
#: Every HTTP client loads the trusted certificates, 40 ms of CPU for those of the system, a
#: fifth of a short run. No test trusts one. Children inherit it; Prefect reads it when imported.
AUTHORITY = Path(__file__).with_name("authority.pem")
os.environ |= {"SSL_CERT_FILE": str(AUTHORITY), "PREFECT_API_SSL_CERT_FILE": str(AUTHORITY)}
_database_numbers = itertools.count(1)
_LITERAL = {"literal_binds": True}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the collector of garbage skip what importing and collecting leave: it all stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process run the tests that share `prefect_api`, a server that takes seconds."""
    for item in items:
        if "prefect_api" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("prefect_api"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fail where xdist does not group: each process would start a server of its own."""
    if getattr(session.config.option, "loadgroup", False):
        grouped = [one for one in session.items if one.get_closest_marker("xdist_group")]
        assert all("@" in one.nodeid for one in grouped), "pytest and pytest-xdist do not agree"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder with recordings/ and corpus/; absent: skip, under CI fail."""
    folder = Path(os.environ.get(DATA_VARIABLE) or Path(__file__).parents[2] / "shared")
    if not (folder / "recordings").is_dir():
        missing(f"no recordings in {folder}; set {DATA_VARIABLE} to the folder that holds them")
    return folder


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
def fast_folder() -> Iterator[Path]:
    """A folder for databases of the session, in memory where there is room."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED
    folder = Path(tempfile.mkdtemp(prefix="sorobanflow-test-", dir=MEMORY if in_memory else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_home(pytestconfig: pytest.Config, fast_folder: Path) -> Callable[[], Path]:
    """Make homes for Prefect servers; their database is there already."""

    def make() -> Path:
        assert pytestconfig.cache is not None
        home = Path(tempfile.mkdtemp(prefix="prefect-", dir=fast_folder))
        shutil.copy(prefect_database(pytestconfig.cache), home)
        return home

    return make


@pytest.fixture(scope="session")
def postgres(fast_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL for the whole session, in a folder of its own."""
    with EmbeddedPostgres(fast_folder / "postgres") as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            # Copying and dropping a database writes a checkpoint, after which each page that is
            # touched would go to the log whole: a third of what a copy costs.
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def administrator(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A connection that makes and drops databases; one for each would cost 5 ms of CPU."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def migrated(postgres: EmbeddedPostgres, administrator: psycopg.Connection) -> str:
    """Name of a database with the tables in it, to be copied: migrating takes ten times as long."""
    administrator.execute("CREATE DATABASE migrated")
    with open_engine(postgres.url_of("migrated"), PoolSettings(max_idle=0)) as engine:
        schema.prepare(engine)
        ensure_partitions(engine, LedgerRange(1, 1))  # 60 ms of CPU; a copy costs nothing
    return "migrated"


@pytest.fixture(scope="session")
def unpartitioned(
    postgres: EmbeddedPostgres, administrator: psycopg.Connection, migrated: str
) -> str:
    """Name of a database like `migrated`, to be copied, without any partition."""
    administrator.execute(f'CREATE DATABASE unpartitioned TEMPLATE "{migrated}"'.encode())
    with open_engine(postgres.url_of("unpartitioned"), PoolSettings(max_idle=0)) as engine:
        with engine.begin() as connection:
            partitions = list_partitions(connection)
        for partition in partitions:
            drop_partition(engine, partition)
    return "unpartitioned"


@pytest.fixture(scope="session")
def indexed(
    postgres: EmbeddedPostgres, administrator: psycopg.Connection, unpartitioned: str
) -> Callable[..., str]:
    """Give the name of a database with a chain's first ledgers in it, to be copied."""

    @cache
    def make(source: Generator, last: int, partition_ledgers: int = PARTITION_LEDGERS) -> str:
        name = f"indexed_{next(_database_numbers)}"
        administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE "{unpartitioned}"'.encode())
        with (
            DevnetServer(Chain(source, closed=last)) as server,
            RpcClient(server.url) as client,
            open_engine(postgres.url_of(name), PoolSettings(max_idle=0)) as engine,
        ):
            pin_network(engine, client.get_network().passphrase)
            set_partition_ledgers(engine, partition_ledgers)
            index_all(client, engine, LedgerRange(1, last))
        return name

    return make


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str:
    """Name of the database that a test's own is a copy of; a module may have another."""
    is_new = "new_database" in request.fixturenames
    return "template1" if is_new else request.getfixturevalue("migrated")


@pytest.fixture
def new_database() -> None:
    """Have the test's database be without tables; a run that makes them takes a second of CPU."""


@pytest.fixture
def database_url(
    template: str, postgres: EmbeddedPostgres, administrator: psycopg.Connection
) -> Iterator[str]:
    """URL of a database of the test's own, with the tables in it, unless it is a new one."""
    name = f"test_{next(_database_numbers)}"
    copy = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'
    administrator.execute(copy.encode())
    yield postgres.url_of(name)
    administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database with the tables in it."""
    with open_engine(database_url, PoolSettings(max_idle=1, max_open=10)) as engine:
        yield engine


@pytest.fixture(scope="session")
def checksums() -> Callable[[Engine], dict[str, tuple[int, str]]]:
    """Give rows and MD5 of every table, but what depends on the time or on whom was asked."""

    tables = [table for table in metadata.sorted_tables if not table.info.get("volatile")]
    query = union_all(*map(_checksum, tables))
    statement = text(str(query.compile(dialect=postgresql.dialect(), compile_kwargs=_LITERAL)))

    def read(engine: Engine) -> dict[str, tuple[int, str]]:
        with engine.begin() as connection:
            rows = connection.execute(statement)
            return {name: (count, digest) for name, count, digest in rows}

    return read


def _checksum(table: Table) -> Select[tuple[str, int, str]]:
    columns = [column for column in table.columns if not column.info.get("volatile")]
    line = func.md5(cast(func.row(*columns), Text))
    lines = func.string_agg(line, aggregate_order_by(literal("", Text), *table.primary_key.columns))
    digest = func.md5(func.coalesce(lines, literal("", Text)))
    return select(literal(table.name, Text), func.count(), digest).select_from(table)
