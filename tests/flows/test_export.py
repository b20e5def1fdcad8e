"""The export flow: real Prefect, real PostgreSQL, the devnet's ledgers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from prefect.exceptions import ParameterTypeError
from pyarrow import parquet
from sqlalchemy import Engine, text

from flows.export import RowProgress, export
from flows.harness.terminal import run_flow
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import ConfigurationError
from sorobanflow.export.relation import find_relation
from sorobanflow.export.run import ExportSummary
from sorobanflow.ledgers import LedgerRange
from tests.flows.artifacts import artifacts_of
from tests.ledgers import generated

Export = Callable[..., ExportSummary]
TABLES = ("events", "ledgers", "operations", "token_operations", "transactions")


@pytest.fixture
def database(save_blocks: Callable[[str], dict[str, str]]) -> str:
    """Name of the block of a database that holds the ledgers 1 to 30."""
    with DevnetServer(Chain(generated(), closed=30)) as server:
        blocks = save_blocks(server.url)
        index(**blocks, start_ledger="oldest")
    return blocks["database"]


@pytest.fixture
def run_export(database: str, tmp_path: Path) -> Export:
    """Run the flow on that database, into the test's folder."""

    def run(table: str, **parameters: Any) -> ExportSummary:
        folder = str(tmp_path)
        summary: Any = export(table=table, database=database, folder=folder, **parameters)
        return summary  # type: ignore[no-any-return]

    return run


def _stored_text(engine: Engine, table: str, first: int, last: int) -> set[tuple[str | None, ...]]:
    """The rows as PostgreSQL prints them, times in UTC with microseconds."""
    relation = find_relation(engine, table)
    columns = ", ".join(
        f"to_char({column.name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.USZ')"
        if column.sql_type == "timestamp with time zone"
        else f"{column.name}::text"
        for column in relation.columns
    )
    query = f"SELECT {columns} FROM {table} WHERE {relation.ledger} BETWEEN {first} AND {last}"
    with engine.begin() as connection:
        return {tuple(row) for row in connection.execute(text(query))}


def _exported_text(path: Path) -> set[tuple[str | None, ...]]:
    table = parquet.read_table(path)
    columns = [table[name].cast(pa.string()).to_pylist() for name in table.column_names]
    return set(zip(*columns, strict=True))


def test_every_table_is_exported_as_it_is_stored(
    run_export: Export, engine: Engine, tmp_path: Path
) -> None:
    for table in TABLES:
        (file,) = run_export(table, first_ledger=5, last_ledger=25).files
        stored = _stored_text(engine, table, 5, 25)
        assert file.rows == len(stored) > 0
        assert _exported_text(tmp_path / file.name) == stored


def test_export_leaves_an_artifact_and_says_what_it_did(database: str, tmp_path: Path) -> None:
    folder = str(tmp_path)
    state: Any = export("events", database=database, folder=folder, format="csv", return_state=True)
    summary = state.result()
    assert artifacts_of(state)["export"].description == summary.headline()
    assert summary.headline().startswith(f"exported {summary.rows:,} rows of events, ledgers 1-30,")


def test_export_runs_from_the_terminal(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["table=ledgers", "first_ledger=3", f"folder={tmp_path}", f"database={database}"]
    assert run_flow(export, arguments) == 0
    assert "rows of ledgers, ledgers 3-30, to 1 file" in capsys.readouterr().out
    assert (tmp_path / "ledgers-3-30.parquet.manifest.json").is_file()


def test_ledgers_that_are_not_covered_fail_the_run(run_export: Export) -> None:
    with pytest.raises(ConfigurationError, match="lacks 31-40 of ledgers 20-40"):
        run_export("events", first_ledger=20, last_ledger=40)


@pytest.mark.parametrize(
    "wrong",
    [{"format": "xlsx"}, {"first_ledger": 0}, {"last_ledger": 2**31}, {"rows_per_file": 10}],
    ids=str,
)
def test_parameter_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterTypeError):
        export(table="events", **wrong)


def test_parameters_are_described() -> None:
    properties = export.parameters.properties
    assert [name for name, schema in properties.items() if not schema.get("description")] == []


def test_progress_is_told_after_five_seconds_and_then_more_rarely() -> None:
    now = 10.0
    lines: list[str] = []
    progress = RowProgress(lines.append, lambda: now)
    for now, rows, ledger in [  # noqa: B007 - the clock reads it
        (14.0, 50_000, 5),
        (15.0, 100_000, 6),
        (20.0, 150_000, 7),
        (25.0, 180_000, 8),
    ]:
        progress.show(rows, LedgerRange(ledger, 9))
    assert lines == [
        "at ledger 6: 100,000 rows, 20,000 rows/s",
        "at ledger 8: 180,000 rows, 12,000 rows/s",
    ]
