"""The flow archive: real Prefect and PostgreSQL; DuckDB and pandas over files and database."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from deployments.register_blocks import register_blocks
from flows.archive import archive
from flows.audit import audit
from flows.backfill import backfill
from flows.export import export
from sorobanflow.archive.closed import TABLES
from sorobanflow.archive.contents import contents_of
from sorobanflow.archive.rows_sum import RowsSum, sum_in_database, sum_in_file
from sorobanflow.archive.summary import ArchiveSummary
from sorobanflow.audit.summary import AuditSummary
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.status.database import read_archive
from sorobanflow.store.archives import read_archives, read_dropped
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.partitions import list_partitions
from sorobanflow.store.places import digest, pieces_of
from sorobanflow.store.pool import PoolSettings
from tests.flows.flow_server import FlowProcess, FlowServer
from tests.ledgers import generated
from tests.prefect_home import unique_name

#: Partitions of 10 ledgers: 0-9, 10-19 and 20-29 are closed, 30-39 is not.
LEDGERS = LedgerRange(1, 33)
KILLS = 300
Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
NewArchive = Callable[[], AbstractContextManager[tuple[Engine, Path, dict[str, Any]]]]


@pytest.fixture(scope="module")
def template(indexed: Callable[..., str]) -> str:
    return indexed(generated(), LEDGERS.last, 10)


def _rows(engine: Engine, table: str) -> list[int]:
    """The number of rows of a table in each of the four partitions."""
    query = (
        "SELECT n, count(r.ledger) FROM generate_series(0, 3) AS n "
        f"LEFT JOIN {table} AS r ON r.ledger / 10 = n GROUP BY n ORDER BY n"
    )
    with engine.begin() as connection:
        return [count for _, count in connection.execute(text(query))]


def test_closed_partitions_are_archived_and_old_ones_dropped(
    engine: Engine,
    save_blocks: Callable[[str], dict[str, str]],
    tmp_path: Path,
    checksums: Checksums,
) -> None:
    with DevnetServer(Chain(generated(), closed=LEDGERS.last)) as server:
        blocks = save_blocks(server.url)
        before, rows = checksums(engine), {table: _rows(engine, table) for table in TABLES}
        given: dict[str, Any] = {"target": str(tmp_path), "keep_ledgers": 14}
        summary: Any = archive(database=blocks["database"], **given)
        assert isinstance(summary, ArchiveSummary)
        assert summary.archived == [(0, 9), (10, 19), (20, 29)]
        assert summary.dropped == [(0, 9), (10, 19)]
        assert len([*tmp_path.rglob("*.parquet")]) == 3 * len(TABLES)
        for table in TABLES:
            assert _rows(engine, table) == [0, 0, *rows[table][2:]]
        again: Any = archive(database=blocks["database"], **given)
        assert (again.files, again.dropped) == ([], [])

        assert read_coverage(engine, "all").covered == (LEDGERS,)
        after = checksums(engine)
        changed = {name for name in after if after[name] != before[name]}
        assert changed <= {*(f"{table}" for table in TABLES), "archives", "dropped"}
        shown = read_archive(engine)
        assert (shown.archived.shown, shown.dropped.shown) == (((0, 29),), ((0, 19),))

        with pytest.raises(ConfigurationError, match=r"ledgers 5-19 were dropped"):
            backfill(5, 25, **blocks, force=True)
        backfill(1, 33, **blocks)  # nothing is missing
        with pytest.raises(ConfigurationError, match=r"ledgers 5-19 were dropped.* 20-33"):
            export("events", first_ledger=5, database=blocks["database"], folder=tmp_path / "x")
        exported: Any = export("events", database=blocks["database"], folder=tmp_path / "x")
        assert exported.ledgers == (20, 33)

        audited: Any = audit(**blocks, sample="all")
        assert isinstance(audited, AuditSummary)
        assert audited.healthy
        assert audited.found is not None
        assert (audited.comparable, audited.found.compared.ledgers) == (14, 14)
        assert dict(audited.table())["files of the archive"] == "18 looked for, 18 read"
        (tmp_path / "events/first_ledger=0/last_ledger=9/part-0.parquet").unlink()
        state: Any = audit(**blocks, sample=1, return_state=True)
        assert state.is_failed()
        assert "files of the archive that are wrong 1" in state.message


Sums = dict[tuple[str, LedgerRange], RowsSum]
PARTITIONS = [LedgerRange(0, 9), LedgerRange(10, 19), LedgerRange(20, 29)]


def _sum_in_database(engine: Engine) -> Sums:
    """The rows of each table and partition that the database has."""
    return {
        (table, ledgers): sum_in_database(engine, contents_of(engine, table), ledgers, lambda: None)
        for table in TABLES
        for ledgers in PARTITIONS
    }


def _lost(engine: Engine, expected: Sums) -> list[tuple[str, LedgerRange]]:
    """The tables and partitions whose rows neither the database nor a recorded file has."""
    with engine.begin() as connection:
        files = {(one.table, one.ledgers): one for one in read_archives(connection)}
    for file in files.values():  # a record says what the file is, at any instant
        assert sum_in_file(Path(file.path), lambda: None) == expected[file.table, file.ledgers]
        assert digest(pieces_of(Path(file.path))) == file.sha256
    stored = _sum_in_database(engine)
    return [one for one in expected if one not in files and stored[one] != expected[one]]


@pytest.fixture
def new_archive(template: str, postgres: EmbeddedPostgres, tmp_path: Path) -> NewArchive:
    """Give a copy of the database, an empty folder, and the parameters that archive into it."""

    @contextmanager
    def make() -> Iterator[tuple[Engine, Path, dict[str, Any]]]:
        name = unique_name("killed")
        with _copy(postgres, template, name) as (url, engine):
            register_blocks({"SOROBANFLOW_BLOCK": name, "SOROBANFLOW_DATABASE_URL": url})
            folder = tmp_path / name
            yield engine, folder, {"database": name, "target": str(folder), "keep_ledgers": 14}

    return make


def _check_end(engine: Engine, folder: Path, expected: Sums) -> None:
    assert _lost(engine, expected) == []
    with engine.begin() as connection:
        assert read_dropped(connection) == ((0, 19),)
        assert [one.first for one in list_partitions(connection)] == [20, 30, 40]
        assert len(read_archives(connection)) == 3 * len(TABLES)
    assert not [*folder.rglob("*.draft")]


def _is_dropping(engine: Engine) -> bool:
    with engine.begin() as connection:
        return bool(read_dropped(connection))


def test_kill_in_each_step_loses_nothing(flow_server: FlowServer, new_archive: NewArchive) -> None:
    with new_archive() as (engine, folder, given):
        _kill_in_each_step(flow_server, engine, folder, given)


def _kill_in_each_step(
    flow_server: FlowServer, engine: Engine, folder: Path, given: dict[str, Any]
) -> None:
    expected = _sum_in_database(engine)
    for reached in (
        lambda: [*folder.rglob("*.draft")],
        lambda: len([*folder.rglob("*.parquet")]) > len(TABLES),
        lambda: _is_dropping(engine),
    ):
        process = flow_server.start("archive", given)
        while not reached():
            assert not process.ended
            time.sleep(0.001)
        assert _kill(process)
        assert _lost(engine, expected) == []
    flow_server.run("archive", given)
    _check_end(engine, folder, expected)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_kill_at_any_instant_loses_nothing(
    flow_server: FlowServer, new_archive: NewArchive
) -> None:
    with new_archive() as (_, _, given):
        began = time.monotonic()
        flow_server.run("archive", given)
        whole_s = time.monotonic() - began
    kills = KILLS
    while kills > 0:
        with new_archive() as (engine, folder, given):
            expected = _sum_in_database(engine)
            for _ in range(4):  # the later ones begin where the earlier ones left
                process = flow_server.start("archive", given)
                time.sleep(random.uniform(0, whole_s))
                if not _kill(process):
                    break
                kills -= 1
                assert _lost(engine, expected) == []
            flow_server.run("archive", given)
            _check_end(engine, folder, expected)


@contextmanager
def _copy(postgres: EmbeddedPostgres, template: str, name: str) -> Iterator[tuple[str, Engine]]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        with open_engine(postgres.url_of(name), PoolSettings(max_idle=0)) as engine:
            yield postgres.url_of(name), engine
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _kill(process: FlowProcess) -> bool:
    """Kill a run; False: it had ended."""
    with suppress(ProcessLookupError):
        process.signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL
