from datetime import UTC, datetime
from typing import Any

import pytest

from sorobanflow.errors import DecodeError
from sorobanflow.rows import values

I128_MIN = -170141183460469231731687303715884105728
I128_MAX = 170141183460469231731687303715884105727


@pytest.mark.parametrize(
    ("read", "value", "wanted"),
    [
        (values.u32, 4294967295, 4294967295),
        (values.u64, "18446744073709551615", 18446744073709551615),
        (values.u64, 7, 7),
        (values.i64, "-9223372036854775808", -9223372036854775808),
        (values.i128, str(I128_MIN), I128_MIN),
        (values.i128, str(I128_MAX), I128_MAX),
    ],
)
def test_numbers_are_read_exactly(read: Any, value: object, wanted: int) -> None:
    assert read(value) == wanted


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (values.u32, 4294967296),
        (values.u32, -1),
        (values.u32, True),
        (values.u64, "18446744073709551616"),
        (values.i64, 1.0),
        (values.i64, "1_0"),
        (values.i64, " 1"),
        (values.i64, None),
        (values.i128, str(I128_MAX + 1)),
        (values.i128, "9" * 5000),
    ],
)
def test_numbers_out_of_bounds_are_refused(read: Any, value: object) -> None:
    with pytest.raises(DecodeError):
        read(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-07-21T18:01:10Z", datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC)),
        ("2026-07-21T20:01:10+02:00", datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC)),
        ("2026-07-21T18:01:10.5Z", datetime(2026, 7, 21, 18, 1, 10, 500000, tzinfo=UTC)),
    ],
)
def test_rfc3339_gives_utc(value: str, wanted: datetime) -> None:
    read = values.rfc3339(value)
    assert (read, read.tzinfo) == (wanted, UTC)


@pytest.mark.parametrize(
    "value",
    ["", "2026-07-21", "2026-07-21T18:01:10", "2026-13-21T18:01:10Z", "0001-01-01T00:00:00+02:00"],
)
def test_rfc3339_refuses_other_forms(value: str) -> None:
    with pytest.raises(DecodeError):
        values.rfc3339(value)


def test_unix_time_gives_utc() -> None:
    assert values.unix_time(1784656870) == datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("value", [2**63, -(2**63), 10**30])
def test_unix_time_refuses_what_no_calendar_holds(value: int) -> None:
    with pytest.raises(DecodeError):
        values.unix_time(value)


def test_json_text_is_compact() -> None:
    assert values.json_text({"vec": [{"i128": "-1"}, None]}) == '{"vec":[{"i128":"-1"},null]}'


@pytest.mark.parametrize("value", ["a\0", {"k": ["\\\0"]}, "\ud800", {1, object()}])
def test_json_text_refuses_what_jsonb_refuses(value: object) -> None:
    with pytest.raises(DecodeError):
        values.json_text(value)


@pytest.mark.parametrize("value", [r"\u0000", r"\0", r"\\u0000"])
def test_json_text_takes_a_written_out_escape(value: str) -> None:
    assert values.json_text(value).count("u0000") == value.count("u0000")


@pytest.mark.parametrize("value", ["a\0b", "\udfff", None, 5])
def test_text_refuses_what_a_column_refuses(value: object) -> None:
    with pytest.raises(DecodeError):
        values.text(value)


@pytest.mark.parametrize("value", [None, 5, {}, {"a": 1, "b": 2}, ["a"]])
def test_arm_refuses_what_is_no_union(value: object) -> None:
    with pytest.raises(DecodeError):
        values.arm(value)


def test_reading_turns_shape_errors_into_decode_errors() -> None:
    with pytest.raises(DecodeError, match="the thing does not have its SEP-51 form"):  # noqa: SIM117
        with values.reading("the thing"):
            raise KeyError("fee")
