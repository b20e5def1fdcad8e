"""The archive: files with the tables' very rows, in a folder or a bucket, and their records."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import Engine, text

from sorobanflow.archive.contents import ORDERS, contents_of
from sorobanflow.archive.partition import archive_table
from sorobanflow.archive.rows_sum import sum_in_database, sum_in_file
from sorobanflow.archive.writing import write_file
from sorobanflow.audit.files import check_files
from sorobanflow.errors import ArchiveError, ConfigurationError, RetriableError
from sorobanflow.export.relation import find_relation
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.archives import (
    Archived,
    begin_archive,
    finish_archive,
    guard_write,
    mark_dropped,
    read_archives,
    refuse_dropped,
)
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.places import Place, digest, key_of, open_place
from tests.integration.s3_server import ACCESS, s3_server
from tests.ledgers import generated

LEDGERS = LedgerRange(3, 25)
KEY = key_of("events", LEDGERS)


@pytest.fixture(scope="module")
def template(indexed: Callable[..., str]) -> str:
    return indexed(generated(), 30)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as url:
        httpx.put(f"{url}/bucket").raise_for_status()
        yield url


def _nothing(*_: object) -> None:
    """No progress is shown."""


def _stored(engine: Engine, table: str) -> set[tuple[str | None, ...]]:
    """The rows of a view as PostgreSQL prints them."""
    columns = find_relation(engine, table).columns
    times = {"timestamp with time zone": "(extract(epoch FROM {0}) * 1000000)::bigint::text"}
    shown = ", ".join(times.get(one.sql_type, "{0}::text").format(one.name) for one in columns)
    query = f"SELECT {shown} FROM {table} WHERE ledger BETWEEN {LEDGERS.first} AND {LEDGERS.last}"
    with engine.begin() as connection:
        return {tuple(row) for row in connection.execute(text(query))}


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    texts: list[str | None] = column.cast(pa.string()).to_pylist()
    return texts


def _archived(engine: Engine, table: str, folder: Path) -> dict[str, list[str | None]]:
    path = folder / f"{table}.parquet"
    write_file(engine, contents_of(engine, table), LEDGERS, path, _nothing)
    file = parquet.read_table(path)
    return {name: _texts(file[name]) for name in file.column_names}


def test_files_together_have_every_value_of_the_views(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:  # transactions that are not stored: their hash stays
        connection.execute(text("DELETE FROM transactions WHERE ledger = 7"))
    transactions = _archived(engine, "transactions", tmp_path)
    places = zip(transactions["ledger"], transactions["application_order"], strict=True)
    hashes = dict(zip(places, transactions["hash"], strict=True))
    for table in ORDERS:
        found = _archived(engine, table, tmp_path)
        if table != "transactions":
            places = zip(found["ledger"], found.pop("application_order"), strict=True)
            pairs = [*zip(found["tx_hash"], places, strict=True)]
            assert all((kept is None) == (place[0] != "7") for kept, place in pairs)
            found["tx_hash"] = [kept or hashes[place] for kept, place in pairs]
        names = [column.name for column in find_relation(engine, table).columns]
        stored = _stored(engine, table)
        assert {*zip(*(found[name] for name in names), strict=True)} == stored
        assert stored or table == "contract_calls"


def test_rows_of_a_contract_lie_together_and_statistics_say_where(
    engine: Engine, tmp_path: Path
) -> None:
    found = _archived(engine, "events", tmp_path)
    rows = [*zip(found["contract_id"], found["id"], strict=True)]
    assert rows == sorted(rows)
    assert len({contract for contract, _ in rows}) > 2
    group = parquet.ParquetFile(tmp_path / "events.parquet").metadata.row_group(0)
    by_name = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    column = by_name["contract_id"]
    assert column.compression == "ZSTD"
    assert (column.statistics.min, column.statistics.max) == (rows[0][0], rows[-1][0])


@pytest.mark.parametrize("table", ORDERS)
def test_sums_differ_where_any_value_does(table: str, engine: Engine, tmp_path: Path) -> None:
    contents, path = contents_of(engine, table), tmp_path / "file.parquet"
    write_file(engine, contents, LEDGERS, path, _nothing)
    stored = sum_in_database(engine, contents, LEDGERS, _nothing)
    assert sum_in_file(path, _nothing) == stored
    whole = parquet.read_table(path)
    assert stored.rows == len(whole)
    for place, name in enumerate(whole.column_names if len(whole) else ()):
        values = whole[name].to_pylist()
        parquet.write_table(whole.set_column(place, name, _changed(values, whole[name].type)), path)
        assert sum_in_file(path, _nothing) != stored, name
    parquet.write_table(whole.slice(1), path)
    assert (sum_in_file(path, _nothing) == stored) == (not len(whole))


def _changed(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Let two rows have each other's value; where all are the same, make the first another one."""
    first, *rest = values
    other = next((n for n, value in enumerate(rest, 1) if value != first), None)
    if other is not None:
        values[0], values[other] = values[other], first
    else:
        values[0] = pa.scalar(True).cast(kind).as_py() if first is None else None
    return pa.array(values, kind)


def test_archived_table_is_recorded_and_its_file_is_what_the_record_says(
    engine: Engine, tmp_path: Path
) -> None:
    place = open_place(str(tmp_path), {})
    archived = archive_table(engine, "events", LEDGERS, place)
    file = tmp_path / "events/first_ledger=3/last_ledger=25/part-0.parquet"
    assert archived.path == str(file)
    assert archived.rows == parquet.read_metadata(file).num_rows > 100
    assert (archived.bytes, archived.sha256) == (place.size(KEY), digest(place.read(KEY)))
    assert [*file.parent.iterdir()] == [file]
    with engine.begin() as connection:
        assert read_archives(connection) == [archived]
    assert archive_table(engine, "events", LEDGERS, place) == archived  # the very same file


def test_audit_finds_files_that_are_missing_or_others(
    engine: Engine, tmp_path: Path, s3: str
) -> None:
    files = [
        archive_table(engine, table, LEDGERS, place)
        for place in _places(s3, tmp_path)
        for table in ("trades", "events", "operations", "transactions")
    ]
    in_folder, in_bucket = files[:4], files[4:]
    missing, longer, other = (Path(one.path) for one in in_folder[:3])
    missing.unlink()
    longer.write_bytes(longer.read_bytes() + b"x")
    other.write_bytes(bytes(other.stat().st_size))
    found = check_files(in_folder, {}, through=False)
    assert [(Path(one.file.path), one.what.split()[-1]) for one in found.faults] == [
        (missing, "missing"),
        (longer, f"{in_folder[1].bytes:,}"),
    ]
    found = check_files(in_folder, {}, through=True)
    assert [Path(one.file.path) for one in found.faults] == [missing, longer, other]
    assert (found.checked, found.read) == (4, 4)

    found = check_files(in_bucket, {"endpoint": s3, **ACCESS}, through=True)
    assert (found.checked, found.faults, found.unreachable) == (4, (), ())
    found = check_files(in_bucket[:1], {"endpoint": "http://127.0.0.1:9", **ACCESS}, through=True)
    assert (found.checked, found.faults) == (0, ())
    assert [*found.lines()][-1][1].startswith(f"1, such as {in_bucket[0].path}: ")


def test_file_that_is_not_the_table_is_neither_published_nor_recorded(
    engine: Engine, tmp_path: Path
) -> None:
    def remove_a_row() -> None:  # while the table is archived, and past every writer's guard
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM transactions WHERE ledger = 25"))

    place = open_place(str(tmp_path), {})
    with pytest.raises(ArchiveError, match=r"transactions, ledgers 3-25, has 230 rows.* table 220"):
        archive_table(engine, "transactions", LEDGERS, place, remove_a_row)
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]
    assert _records(engine) == []


def _places(s3: str, tmp_path: Path) -> list[Place]:
    return [
        open_place(str(tmp_path / "folder"), {}),
        open_place(f"s3://bucket/{tmp_path.name}/path", {"endpoint": s3, **ACCESS}),
    ]


def test_place_keeps_what_was_published_last(s3: str, tmp_path: Path) -> None:
    for place in _places(s3, tmp_path):
        assert place.size(KEY) is None
        for data in (b"first", b"second!"):
            with place.draft(KEY) as draft:
                draft.write_bytes(data)
                place.publish(draft, KEY)
            assert (b"".join(place.read(KEY)), place.size(KEY)) == (data, len(data))
        with pytest.raises(RuntimeError), place.draft(KEY) as draft:  # noqa: PT012
            draft.write_bytes(b"half")
            raise RuntimeError
        assert b"".join(place.read(KEY)) == b"second!"
        assert place.path_of(KEY).endswith(f"/{KEY}")


def test_bucket_that_refuses_is_named_without_its_credentials(s3: str) -> None:
    place = open_place("s3://no-such-bucket/x", {"endpoint": "http://127.0.0.1:9", **ACCESS})
    with pytest.raises(RetriableError, match=r"s3://no-such-bucket/x/events/.* could not be found"):
        place.size(KEY)
    with pytest.raises(RetriableError) as caught:
        place.size(KEY)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("target", ["archive", "./x", "ftp://host/x", "https://bucket/x", ""])
def test_target_that_is_no_absolute_path_is_refused(target: str) -> None:
    with pytest.raises(ConfigurationError, match="absolute path"):
        open_place(target, {})


def _record(engine: Engine, ledgers: LedgerRange) -> tuple[Archived, Any]:
    archived = Archived("events", ledgers, "/x", 1, 2, "ab")
    return archived, begin_archive(engine, "events", ledgers, "/x")


def _write(engine: Engine, ledgers: LedgerRange) -> None:
    with engine.begin() as connection:
        refuse_dropped(guard_write(driver_connection(connection), ledgers))


def _records(engine: Engine) -> list[Archived]:
    with engine.begin() as connection:
        return read_archives(connection)


def test_record_goes_when_its_ledgers_are_written(engine: Engine) -> None:
    kept, began = _record(engine, LedgerRange(1, 9))
    finish_archive(engine, kept, began)
    gone, began = _record(engine, LedgerRange(10, 19))
    finish_archive(engine, gone, began)
    assert _records(engine) == [kept, gone]
    _write(engine, LedgerRange(19, 40))
    assert _records(engine) == [kept]


def test_record_is_not_made_of_ledgers_that_were_written_meanwhile(engine: Engine) -> None:
    archived, began = _record(engine, LEDGERS)
    assert _records(engine) == []
    _write(engine, LedgerRange(25, 25))
    with pytest.raises(RetriableError, match="run archive again"):
        finish_archive(engine, archived, began)


def test_record_is_not_made_by_two_runs(engine: Engine) -> None:
    archived, first = _record(engine, LEDGERS)
    _, second = _record(engine, LEDGERS)
    with pytest.raises(RetriableError):
        finish_archive(engine, archived, first)
    finish_archive(engine, archived, second)


@pytest.mark.parametrize("begin", [begin_archive, mark_dropped])
def test_archive_waits_for_writers_that_have_not_committed(
    begin: Any, engine: Engine, database_url: str
) -> None:
    arguments = ("events", LEDGERS, "/x") if begin is begin_archive else (LEDGERS,)
    with psycopg.connect(database_url) as writer, engine.begin() as connection:
        guard_write(writer, LEDGERS)
        connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
        with pytest.raises(Exception, match="lock timeout"):
            connection.execute(text("SELECT pg_advisory_xact_lock(84610833)"))
    begin(engine, *arguments)


def test_dropped_ledgers_are_not_written_and_keep_their_records(engine: Engine) -> None:
    archived, began = _record(engine, LEDGERS)
    assert not mark_dropped(engine, LEDGERS, ["events"])  # the file is being written
    finish_archive(engine, archived, began)
    assert not mark_dropped(engine, LEDGERS, ["events", "trades"])
    assert mark_dropped(engine, LEDGERS, ["events"])
    assert mark_dropped(engine, LEDGERS, ["events", "trades"])  # a killed run did it
    with pytest.raises(ConfigurationError, match=r"ledgers 3-25 were dropped"):
        _write(engine, LedgerRange(25, 30))
    assert _records(engine) == [archived]
    _write(engine, LedgerRange(26, 30))
