"""Write frames to Parquet or CSV files, and the manifest that names them.

Invariant: if there is a manifest, the files that it names are whole and of one snapshot: it is
deleted before the first file of an older export is replaced, and written last.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

import msgspec
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import csv, parquet

from sorobanflow.errors import ConfigurationError
from sorobanflow.export.frames import make_frame

Format = Literal["parquet", "csv"]
#: ISO 8601; Arrow's %S has the microseconds.
CSV_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class WrittenFile:
    """A file of an export, as the manifest describes it."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Part(ABC):
    """A file being written, frame by frame."""

    _writer: parquet.ParquetWriter | csv.CSVWriter

    def write(self, frame: pd.DataFrame) -> None:
        """Append a frame."""
        self._writer.write_table(self._table(frame))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    @abstractmethod
    def _table(self, frame: pd.DataFrame) -> pa.Table:
        """Make the Arrow table to write of a frame."""


class ParquetPart(Part):
    """A Parquet file: a row group per frame, zstd, with pandas types: integers stay integers."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        described = self._table(make_frame(schema.empty_table())).schema
        self._writer = parquet.ParquetWriter(path, described, compression="zstd")

    def _table(self, frame: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)


class CsvPart(Part):
    """A CSV file: UTF-8, a header, line feeds; times are ISO 8601 in UTC, bytes are hex.

    As in PostgreSQL's COPY, a null is an empty field, and a text in quotes.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
        self._bytes = [field.name for field in schema if pa.types.is_binary(field.type)]
        texts = {*self._times, *self._bytes}
        self._schema = pa.schema(
            [field.with_type(pa.string()) if field.name in texts else field for field in schema]
        )
        self._writer = csv.CSVWriter(path, self._schema)

    def _table(self, frame: pd.DataFrame) -> pa.Table:
        # Without a zone the time prints as UTC, and needs no time zone database.
        plain = pd.ArrowDtype(pa.timestamp("us"))
        texts = {name: frame[name].astype(plain).dt.strftime(CSV_TIME) for name in self._times}
        texts |= {name: frame[name].map(bytes.hex, na_action="ignore") for name in self._bytes}
        frame = frame.assign(**texts)
        return pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)


PARTS: dict[Format, type[ParquetPart | CsvPart]] = {"parquet": ParquetPart, "csv": CsvPart}


def writable_folder(folder: Path, stem: str) -> "TemporaryDirectory[str]":
    """Make the folder if it is missing, and a hidden one in it; ConfigurationError if neither."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(dir=folder, prefix=f".{stem}-")
    except OSError as error:
        raise ConfigurationError(
            f"the folder {folder} cannot be written: {error.strerror}; choose another one"
        ) from error


class ExportFiles:
    """The files of one export, named after `stem`; a context manager, with `publish` at the end."""

    def __init__(
        self, folder: Path, stem: str, format: Format, schema: pa.Schema, rows_per_file: int
    ) -> None:
        self._folder, self._stem, self._format = folder, stem, format
        self._schema, self._rows_per_file = schema, rows_per_file
        self._part_rows: list[int] = []
        self.manifest = folder / f"{stem}.{format}.manifest.json"

    def __enter__(self) -> Self:
        self._hidden = writable_folder(self._folder, self._stem)
        self._open_part()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._part.close()
        finally:
            self._hidden.cleanup()

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return sum(self._part_rows)

    def write(self, frame: pd.DataFrame) -> None:
        """Append a frame, in as many files as it takes."""
        while len(frame):
            if self._part_rows[-1] == self._rows_per_file:
                self._part.close()
                self._open_part()
            head = frame.iloc[: self._rows_per_file - self._part_rows[-1]]
            self._part.write(head)
            self._part_rows[-1] += len(head)
            frame = frame.iloc[len(head) :]

    def publish(self, facts: dict[str, Any]) -> list[WrittenFile]:
        """Move the files to their folder, then the manifest: `facts`, rows and files."""
        self._part.close()
        files = [
            _describe(self._path(number), rows) for number, rows in enumerate(self._part_rows, 1)
        ]
        self.manifest.unlink(missing_ok=True)
        for old in self._folder.glob(f"{self._stem}-{'[0-9]' * 5}.{self._format}"):
            old.unlink()
        for file in files:
            (Path(self._hidden.name) / file.name).replace(self._folder / file.name)
        manifest = msgspec.json.encode(facts | {"rows": self.rows, "files": files})
        draft = Path(self._hidden.name) / self.manifest.name
        draft.write_bytes(msgspec.json.format(manifest, indent=2) + b"\n")
        draft.replace(self.manifest)
        return files

    def _open_part(self) -> None:
        self._part_rows.append(0)
        self._part = PARTS[self._format](self._path(len(self._part_rows)), self._schema)

    def _path(self, number: int) -> Path:
        return Path(self._hidden.name) / f"{self._stem}-{number:05d}.{self._format}"


def _describe(path: Path, rows: int) -> WrittenFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WrittenFile(path.name, rows, path.stat().st_size, digest)
