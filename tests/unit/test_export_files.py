"""Frames into files: parts, types, nulls, the manifest, and what a failure leaves."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from sorobanflow.errors import ConfigurationError
from sorobanflow.export.files import ExportFiles, Format
from sorobanflow.export.frames import FETCH_ROWS, make_frame, make_frames

SCHEMA = pa.schema(
    {
        "ledger": pa.int64(),
        "amount": pa.decimal256(39, 0),
        "closed_at": pa.timestamp("us", tz="UTC"),
        "memo": pa.string(),
        "wasm": pa.binary(),
        "successful": pa.bool_(),
    }
)
ROWS: list[dict[str, Any]] = [
    {
        "ledger": 2**53 + 1,
        "amount": Decimal(-(2**127)),
        "closed_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "memo": 'say "hi",\nnow\r\n',
        "wasm": b"\x00asm",
        "successful": True,
    },
    {
        "ledger": 2**63 - 1,
        "amount": Decimal(2**127 - 1),
        "closed_at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "memo": "",
        "wasm": b"",
        "successful": False,
    },
    dict.fromkeys(SCHEMA.names) | {"ledger": 3},
    dict.fromkeys(SCHEMA.names) | {"ledger": 4, "memo": "\\N NULL 🌟 é"},
]


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return make_frame(pa.Table.from_pylist(rows, schema=SCHEMA))


def _numbered(count: int) -> pd.DataFrame:
    return _frame([{"ledger": number} for number in range(count)])


def _write(
    folder: Path, frames: list[pd.DataFrame], format: Format = "parquet", rows_per_file: int = 100
) -> Path:
    with ExportFiles(folder, "t-1-9", format, SCHEMA, rows_per_file) as files:
        for frame in frames:
            files.write(frame)
        files.publish({"table": "t"})
    return files.manifest


def test_parquet_gives_back_every_value(tmp_path: Path) -> None:
    _write(tmp_path, [_frame(ROWS[:2]), _frame(ROWS[2:])])
    table = parquet.read_table(tmp_path / "t-1-9-00001.parquet")
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == ROWS


def test_parquet_read_by_pandas_has_no_floats(tmp_path: Path) -> None:
    _write(tmp_path, [_frame([ROWS[0], ROWS[2] | {"ledger": None}])])
    frame = pd.read_parquet(tmp_path / "t-1-9-00001.parquet")
    assert frame["ledger"].tolist() == [2**53 + 1, pd.NA]
    assert frame["amount"].tolist() == [Decimal(-(2**127)), None]
    assert frame["closed_at"][0] == pd.Timestamp("2026-01-02T03:04:05Z")


def test_parquet_has_a_row_group_per_frame(tmp_path: Path) -> None:
    _write(tmp_path, [_numbered(3), _numbered(4)])
    metadata = parquet.read_metadata(tmp_path / "t-1-9-00001.parquet")
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [3, 4]


def test_csv_tells_null_from_empty_text(tmp_path: Path) -> None:
    _write(tmp_path, [_frame(ROWS)], "csv")
    assert (tmp_path / "t-1-9-00001.csv").read_bytes().decode() == (
        '"ledger","amount","closed_at","memo","wasm","successful"\n'
        "9007199254740993,-170141183460469231731687303715884105728,"
        '"2026-01-02T03:04:05.000000Z","say ""hi"",\nnow\r\n","0061736d",true\n'
        "9223372036854775807,170141183460469231731687303715884105727,"
        '"2026-01-02T03:04:05.000006Z","","",false\n'
        "3,,,,,\n"
        '4,,,"\\N NULL 🌟 é",,\n'
    )


def test_csv_read_by_pyarrow_gives_back_every_text(tmp_path: Path) -> None:
    _write(tmp_path, [_frame(ROWS)], "csv")
    table = csv.read_csv(
        tmp_path / "t-1-9-00001.csv",
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(("memo", "amount"), pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for name in ("ledger", "memo", "successful"):
        assert table[name].to_pylist() == [row[name] for row in ROWS]
    assert table["amount"].to_pylist() == [str(2**127 * -1), str(2**127 - 1), None, None]


def test_parts_are_full_but_for_the_last(tmp_path: Path) -> None:
    _write(tmp_path, [_numbered(7), _numbered(7)], rows_per_file=5)
    parts = sorted(tmp_path.glob("*.parquet"))
    assert [part.name for part in parts] == [f"t-1-9-0000{n}.parquet" for n in (1, 2, 3)]
    ledgers = [parquet.read_table(part)["ledger"].to_pylist() for part in parts]
    assert ledgers == [[0, 1, 2, 3, 4], [5, 6, 0, 1, 2], [3, 4, 5, 6]]


def test_part_that_is_exactly_full_is_the_last(tmp_path: Path) -> None:
    _write(tmp_path, [_numbered(5), _numbered(5)], rows_per_file=5)
    assert len(list(tmp_path.glob("*.parquet"))) == 2


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_export_without_rows_is_a_file_with_the_columns(tmp_path: Path, format: Format) -> None:
    _write(tmp_path, [], format)
    path = tmp_path / f"t-1-9-00001.{format}"
    frame = pd.read_parquet(path) if format == "parquet" else pd.read_csv(path)
    assert (list(frame.columns), len(frame)) == (SCHEMA.names, 0)


def test_manifest_vouches_for_the_files(tmp_path: Path) -> None:
    manifest = _write(tmp_path, [_numbered(7)], rows_per_file=5)
    assert manifest.name == "t-1-9.parquet.manifest.json"
    read = json.loads(manifest.read_text())
    contents = [(tmp_path / f"t-1-9-0000{n}.parquet").read_bytes() for n in (1, 2)]
    assert read == {
        "table": "t",
        "rows": 7,
        "files": [
            {
                "name": f"t-1-9-0000{n}.parquet",
                "rows": rows,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for n, rows, content in zip((1, 2), (5, 2), contents, strict=True)
        ],
    }


def test_newer_export_replaces_the_older_one_as_a_whole(tmp_path: Path) -> None:
    other = tmp_path / "t-1-99-00002.parquet"
    other.write_bytes(b"of another export")
    _write(tmp_path, [_numbered(9)], rows_per_file=3)
    _write(tmp_path, [_numbered(4)], rows_per_file=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "t-1-9-00001.parquet",
        "t-1-9-00002.parquet",
        "t-1-9.parquet.manifest.json",
        other.name,
    ]


def test_formats_stay_side_by_side(tmp_path: Path) -> None:
    _write(tmp_path, [_numbered(1)], "parquet")
    _write(tmp_path, [_numbered(1)], "csv")
    assert len(list(tmp_path.glob("*.manifest.json"))) == 2


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_failed_export_leaves_the_older_one_untouched(tmp_path: Path, format: Format) -> None:
    _write(tmp_path, [_numbered(3)], format)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyError, match="ledger"):
        _write(tmp_path, [_numbered(90), _numbered(90).drop(columns="ledger")], format)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unfinished_export_shows_no_file(tmp_path: Path) -> None:
    with ExportFiles(tmp_path, "t-1-9", "csv", SCHEMA, 10) as files:
        files.write(_numbered(25))
        assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


def test_export_stopped_while_it_replaces_an_older_one_has_no_manifest(tmp_path: Path) -> None:
    manifest = _write(tmp_path, [_numbered(3)])
    (tmp_path / "t-1-9-00002.parquet").mkdir()  # cannot be replaced
    with pytest.raises(OSError, match="t-1-9-00002"):
        _write(tmp_path, [_numbered(4)], rows_per_file=2)
    assert not manifest.exists()


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export").write_text("in the way")
    files = ExportFiles(tmp_path / "export", "t-1-9", "csv", SCHEMA, 10)
    with pytest.raises(ConfigurationError, match="choose another"):
        files.__enter__()


class _Cursor:
    """Hands out the same row again and again, as many at once as it is asked for."""

    def __init__(self, row: tuple[Any, ...], count: int) -> None:
        self._row = row
        self._left = count

    def fetchmany(self, count: int) -> list[tuple[Any, ...]]:
        count = min(count, self._left)
        self._left -= count
        return [self._row] * count


def _frame_rows(frames: Iterator[pd.DataFrame]) -> list[int]:
    return [len(frame) for frame in frames]


def test_frames_end_at_their_number_of_rows() -> None:
    schema = pa.schema({"ledger": pa.int64()})
    assert _frame_rows(make_frames(_Cursor((1,), 103_000).fetchmany, schema)) == [
        50_000,
        50_000,
        3_000,
    ]


def test_frames_of_large_rows_end_at_their_size() -> None:
    schema = pa.schema({"wasm": pa.binary()})
    cursor = _Cursor((b"\0" * 40_000,), FETCH_ROWS + 1)
    assert _frame_rows(make_frames(cursor.fetchmany, schema)) == [FETCH_ROWS, 1]
