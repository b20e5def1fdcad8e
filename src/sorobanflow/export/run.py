"""Run an export: rows of covered ledgers, from one snapshot to files with a manifest.

Coverage, which only grows, is read first, so the snapshot holds every row of a covered range.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from sorobanflow.export.files import ExportFiles, Format, WrittenFile
from sorobanflow.export.frames import read_frames
from sorobanflow.export.relation import Relation, covered_range, find_relation
from sorobanflow.ledgers import LedgerRange


@dataclass(frozen=True)
class Request:
    """What to export, and where to; the flow `export` describes the fields."""

    table: str
    first_ledger: int | None = None
    last_ledger: int | None = None
    stream: str = "all"
    format: Format = "parquet"
    folder: Path = Path("export")
    rows_per_file: int = 1_000_000


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote, as figures for a person."""

    table_name: str
    ledgers: LedgerRange
    files: list[WrittenFile]
    manifest: Path
    seconds: float

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0, since an export that fails has no summary."""
        return 0

    def headline(self) -> str:
        """One sentence: what was exported."""
        noun = "file" if len(self.files) == 1 else "files"
        return (
            f"exported {self.rows:,} rows of {self.table_name}, ledgers {self.ledgers}, "
            f"to {len(self.files)} {noun} in {self.manifest.parent} in {self.seconds:.1f} s"
        )

    def brief(self) -> list[tuple[str, str]]:
        """All of it."""
        return self.table()

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        return [
            ("rows", f"{self.rows:,}"),
            ("rows per second", f"{self.rows / self.seconds:,.0f}"),
            ("files", f"{len(self.files):,}"),
            ("bytes", f"{sum(file.bytes for file in self.files):,}"),
            ("manifest", str(self.manifest)),
        ]


def export(
    engine: Engine, request: Request, on_frame: Callable[[int, LedgerRange], None]
) -> ExportSummary:
    """Write a covered ledger range to files; a ConfigurationError leaves everything unchanged.

    After each frame `on_frame` gets the number of rows so far and what is left of the ledgers,
    that of the last row included.
    """
    began = time.monotonic()
    relation = find_relation(engine, request.table)
    ledgers = covered_range(
        engine, relation.name, request.stream, request.first_ledger, request.last_ledger
    )
    facts = _facts(engine, request, relation, ledgers)
    stem = f"{relation.name}-{ledgers.first}-{ledgers.last}"
    schema, rows_per_file = relation.schema, request.rows_per_file
    with (
        ExportFiles(request.folder, stem, request.format, schema, rows_per_file) as files,
        closing(read_frames(engine, relation, ledgers)) as frames,
    ):
        for frame in frames:
            files.write(frame)
            on_frame(files.rows, LedgerRange(int(frame[relation.ledger].iloc[-1]), ledgers.last))
        written = files.publish(facts)
    return ExportSummary(relation.name, ledgers, written, files.manifest, time.monotonic() - began)


def _facts(
    engine: Engine, request: Request, relation: Relation, ledgers: LedgerRange
) -> dict[str, Any]:
    """Collect what the manifest says besides the files."""
    with engine.begin() as connection:
        passphrase = connection.execute(text("SELECT passphrase FROM network")).scalar()
    return {
        "table": relation.name,
        "stream": request.stream,
        "first_ledger": ledgers.first,
        "last_ledger": ledgers.last,
        "network_passphrase": passphrase,
        "format": request.format,
        "columns": [
            {"name": column.name, "type": column.sql_type, "arrow": str(column.arrow_type)}
            for column in relation.columns
        ],
        "created_at": datetime.now(UTC),
        "program": f"sorobanflow {version('sorobanflow')}",
    }
