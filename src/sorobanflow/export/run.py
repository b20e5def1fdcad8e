"""Run an export: rows of covered ledgers, from one snapshot into files with a manifest.

Puts `source`, `frames` and `files` in order. Coverage is looked at before the
snapshot is taken: it only grows, in the transactions that store its rows, so
the snapshot holds every row of a range that was covered.
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
from sorobanflow.export.source import Source, covered_range, find_source
from sorobanflow.ledgers import LedgerRange


@dataclass(frozen=True)
class Request:
    """What to export, and where to.

    Attributes:
        table: Name of a table or view.
        first_ledger: First ledger; None: the stream's first.
        last_ledger: Last ledger, included; None: the stream's last.
        stream: The stream that must cover them.
        format: The kind of the files.
        folder: Where they go.
        rows_per_file: Rows of a file at most.
    """

    table: str
    first_ledger: int | None = None
    last_ledger: int | None = None
    stream: str = "all"
    format: Format = "parquet"
    folder: Path = Path("export")
    rows_per_file: int = 1_000_000


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote, as figures a person can read.

    Attributes:
        table_name: The table or view.
        ledgers: The range, both ends included.
        files: The files, in the order of their rows.
        manifest: Path of the manifest.
        seconds: How long it took.
    """

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
        """What a script is told: 0, for an export that fails has no summary."""
        return 0

    def headline(self) -> str:
        """One sentence: what was exported."""
        noun = "file" if len(self.files) == 1 else "files"
        return (
            f"exported {self.rows:,} rows of {self.table_name}, ledgers {self.ledgers}, "
            f"to {len(self.files)} {noun} in {self.manifest.parent} in {self.seconds:.1f} s"
        )

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        return [
            ("rows", f"{self.rows:,}"),
            ("rows per second", f"{self.rows / self.seconds:,.0f}"),
            ("files", f"{len(self.files):,}"),
            ("bytes", f"{sum(file.bytes for file in self.files):,}"),
            ("manifest", str(self.manifest)),
        ]


OnFrame = Callable[[int, int], None]


def export(engine: Engine, request: Request, on_frame: OnFrame) -> ExportSummary:
    """Write the rows of a covered ledger range to files.

    Args:
        engine: A database with this program's schema.
        request: What to export.
        on_frame: Called after each frame with the rows so far and the last one's ledger.

    Raises:
        ConfigurationError: no such table or view, ledgers that are not covered, or
            a folder that cannot be written; nothing was changed.
    """
    began = time.monotonic()
    source = find_source(engine, request.table)
    ledgers = covered_range(engine, request.stream, request.first_ledger, request.last_ledger)
    stem = f"{source.name}-{ledgers.first}-{ledgers.last}"
    facts = _facts(engine, request, source, ledgers)
    with (
        ExportFiles(
            request.folder, stem, request.format, source.schema, request.rows_per_file
        ) as files,
        closing(read_frames(engine, source, ledgers)) as frames,
    ):
        for frame in frames:
            files.write(frame)
            on_frame(files.rows, int(frame[source.ledger].iloc[-1]))
        written = files.publish(facts)
    return ExportSummary(source.name, ledgers, written, files.manifest, time.monotonic() - began)


def _facts(
    engine: Engine, request: Request, source: Source, ledgers: LedgerRange
) -> dict[str, Any]:
    with engine.begin() as connection:
        passphrase = connection.execute(text("SELECT passphrase FROM network")).scalar()
    return {
        "table": source.name,
        "stream": request.stream,
        "first_ledger": ledgers.first,
        "last_ledger": ledgers.last,
        "network_passphrase": passphrase,
        "format": request.format,
        "columns": [
            {"name": column.name, "type": column.sql_type, "arrow": str(column.arrow_type)}
            for column in source.columns
        ],
        "created_at": datetime.now(UTC),
        "program": f"sorobanflow {version('sorobanflow')}",
    }
