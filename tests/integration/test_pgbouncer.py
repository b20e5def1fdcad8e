"""A real PgBouncer in transaction mode: each transaction may run in another session."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Engine, text

from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.coverage import pin_network, read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.partitions import list_partitions, set_partition_ledgers
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import metadata
from tests.integration.index_all import index_all
from tests.ledgers import generated
from tests.needs import program

LEDGERS = 24
#: Ranges as of an index, of a backfill from the newest on, and of a third run in between.
WRITERS = [
    [LedgerRange(first, first + 1) for first in range(1, LEDGERS, 2)],
    [LedgerRange(first, first + 2) for first in range(LEDGERS - 2, 0, -3)],
    [LedgerRange(first, first + 3) for first in (9, 13, 17, 1, 5, 21, 9, 13)],
]
CONFIGURATION = """
[databases]
* = host={host} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


@pytest.fixture
def template(unpartitioned: str) -> str:
    return unpartitioned


@pytest.fixture(scope="module")
def pgbouncer(postgres: EmbeddedPostgres) -> Iterator[Path]:
    """Folder of the socket of a PgBouncer before the tests' server, with three sessions there."""
    folder = Path(tempfile.mkdtemp(prefix="sorobanflow-test-"))
    host = conninfo_to_dict(postgres.url)["host"]
    owner = Path(str(host)).stat().st_uid  # who may enter the folder of the server's socket
    os.chown(folder, owner, -1)
    configuration, log = folder / "pgbouncer.ini", folder / "log"
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder))
    command = [program("pgbouncer"), "-u", pwd.getpwuid(owner).pw_name, str(configuration)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        url = make_conninfo(postgres.url, host=str(folder), port=6432)
        _wait_until_it_answers(process, url, log)
        yield folder
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        time.sleep(0.05)
    pytest.fail(f"PgBouncer does not answer: {log.read_text()}")


def _make_small_partitions(engine: Engine, node: RpcClient) -> None:
    pin_network(engine, node.get_network().passphrase)
    set_partition_ledgers(engine, 5)


def test_three_writers_share_the_sessions_of_a_pooler(
    pgbouncer: Path,
    engine: Engine,
    database_url: str,
    checksums: Callable[[Engine], dict[str, tuple[int, str]]],
) -> None:
    pooled = make_conninfo(database_url, host=str(pgbouncer), port=6432)
    with DevnetServer(Chain(generated(), closed=LEDGERS)) as server, RpcClient(server.url) as node:
        _make_small_partitions(engine, node)

        def write(batches: list[LedgerRange]) -> None:
            with open_engine(pooled, PoolSettings(max_idle=1, max_open=2)) as through_pgbouncer:
                for ledgers in batches:
                    index_all(node, through_pgbouncer, ledgers)

        with ThreadPoolExecutor(len(WRITERS)) as threads:
            for done in [threads.submit(write, batches) for batches in WRITERS]:
                done.result()
        assert read_coverage(engine, "all").covered == ((1, LEDGERS),)
        found = checksums(engine)
        with engine.begin() as connection:
            names = [table.fullname for table in metadata.tables.values() if table.name in found]
            connection.execute(text(f"TRUNCATE {', '.join(names)}"))
            made = [(one.first, one.last) for one in list_partitions(connection)]
        assert made == [(first, first + 4) for first in range(0, LEDGERS + 5, 5)]
        _make_small_partitions(engine, node)
        index_all(node, engine, LedgerRange(1, LEDGERS))
    assert found == checksums(engine)
