"""Rows in PostgreSQL's binary form: psycopg's loaders read them back, or they are refused."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from psycopg.pq import Format

from sorobanflow.errors import DecodeError
from sorobanflow.store.fields import (
    copied_arrays,
    copied_fields,
    data_of,
    join_arrays,
    to_arrays,
    to_copy,
)
from sorobanflow.store.layouts import layouts

VALUES: dict[str, list[Any]] = {
    "bigint": [0, -1, 2**63 - 1, -(2**63)],
    "boolean": [True, False],
    "bytea": [b"", b"\0\xff", b"a" * 70_000],
    "integer": [0, -1, 2**31 - 1, -(2**31)],
    "numeric": [0, 1, -1, 9999, 10_000, 10_001, 10**8, -(10**40), 2**256 - 1, -(2**255), 2**64],
    "smallint": [0, -1, 2**15 - 1, -(2**15)],
    "text": ["", "a", "\0", "\U0001f680\u202e"],
    "timestamp with time zone": [
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2000, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    ],
}
COLUMNS = {"number": "integer", "same": "text", "text": "text", "amount": "numeric"}
ROWS = [(1, "x", "é", 10**20), (2, "x", None, None), (-3, "x", "", 0)]


@pytest.mark.parametrize(("kind", "values"), VALUES.items(), ids=VALUES)
def test_value_is_what_psycopg_reads(kind: str, values: list[Any]) -> None:
    oid = psycopg.adapters.types[kind].oid
    loader: Any = psycopg.adapters.get_loader(oid, Format.BINARY)
    load = loader(oid).load
    fields = copied_fields({"one": kind}, to_copy({"one": kind}, [(value,) for value in values]))
    assert [load(data_of(field)) for field in fields["one"]] == values
    array = to_arrays({"one": kind}, [(value,) for value in values])["one"]
    assert int.from_bytes(array[8:12]) == oid


def test_json_follows_its_version() -> None:
    (field,) = copied_fields({"one": "jsonb"}, to_copy({"one": "jsonb"}, [('{"a":1}',)]))["one"]
    assert field == b'\0\0\0\x08\x01{"a":1}'


def test_rows_of_copy_have_their_number_of_fields_and_nulls() -> None:
    data = to_copy({"a": "boolean", "b": "integer"}, [(True, None), (True, 5)])
    both = b"\0\2\0\0\0\1\1"
    assert data == both + b"\xff\xff\xff\xff" + both + b"\0\0\0\4\0\0\0\5"


def test_rows_that_were_copied_are_arrays_again() -> None:
    data = to_copy(COLUMNS, ROWS)
    assert copied_arrays(COLUMNS, data, 3) == [to_arrays(COLUMNS, ROWS)]
    parts = copied_arrays(COLUMNS, data, 2)
    assert parts == [to_arrays(COLUMNS, ROWS[:2]), to_arrays(COLUMNS, ROWS[2:])]
    for name, kind in COLUMNS.items():
        assert join_arrays(kind, [part[name] for part in parts]) == to_arrays(COLUMNS, ROWS)[name]


def test_no_rows_are_empty_arrays_and_no_data() -> None:
    assert to_copy(COLUMNS, []) == b""
    assert copied_arrays(COLUMNS, b"", 10) == []
    assert to_arrays(COLUMNS, [])["text"] == join_arrays("text", [])


@pytest.mark.parametrize(
    ("kind", "value"),
    [("smallint", 2**15), ("integer", -(2**31) - 1), ("integer", 2**31), ("bigint", 2**63)],
)
def test_number_that_does_not_fit_is_refused_and_named(kind: str, value: int) -> None:
    for encode in (to_copy, to_arrays):
        with pytest.raises(DecodeError, match=f"value {value} is out of range for type {kind}"):
            encode({"one": kind}, [(1,), (value,), (None,)])


def test_every_column_of_a_batch_has_a_type_that_is_encoded() -> None:
    all_layouts = [layouts().ledgers, *layouts().copied.values(), *layouts().state.values()]
    kinds = {kind for layout in all_layouts for kind in layout.columns.values()}
    assert kinds == {*VALUES, "jsonb"}
