"""The exact type of each column."""

import pytest

from sorobanflow.export.relation import Relation, make_column


@pytest.mark.parametrize(
    ("data_type", "precision", "scale", "arrow_type"),
    [
        ("smallint", 16, 0, "int64"),
        ("integer", 32, 0, "int64"),
        ("bigint", 64, 0, "int64"),
        ("numeric", 20, 0, "decimal128(20, 0)"),
        ("numeric", 38, 7, "decimal128(38, 7)"),
        ("numeric", 39, 0, "decimal256(39, 0)"),
        ("numeric", 76, 0, "decimal256(76, 0)"),
        ("boolean", None, None, "bool"),
        ("bytea", None, None, "binary"),
        ("text", None, None, "string"),
        ("timestamp with time zone", None, None, "timestamp[us, tz=UTC]"),
    ],
)
def test_column_with_an_exact_type_is_read_as_it_is(
    data_type: str, precision: int | None, scale: int | None, arrow_type: str
) -> None:
    column = make_column("x", data_type, precision, scale)
    assert (str(column.arrow_type), column.as_text) == (arrow_type, False)


@pytest.mark.parametrize(
    ("data_type", "precision", "scale"),
    [
        ("numeric", None, None),
        ("numeric", 77, 0),
        ("jsonb", None, None),
        ("double precision", 53, None),
        ("date", None, None),
        ("USER-DEFINED", None, None),
        ("ARRAY", None, None),
    ],
)
def test_column_of_any_other_type_is_the_text_that_postgresql_prints(
    data_type: str, precision: int | None, scale: int | None
) -> None:
    column = make_column("x", data_type, precision, scale)
    assert (str(column.arrow_type), column.as_text) == ("string", True)


def test_numeric_column_keeps_its_digits_in_the_name_of_its_type() -> None:
    assert make_column("x", "numeric", 39, 0).sql_type == "numeric(39,0)"


def test_schema_holds_the_columns_in_order() -> None:
    columns = (make_column("ledger", "integer", 32, 0), make_column("topics", "jsonb", None, None))
    schema = Relation("events", "ledger", columns, ("ledger",)).schema
    assert [(field.name, str(field.type)) for field in schema] == [
        ("ledger", "int64"),
        ("topics", "string"),
    ]
