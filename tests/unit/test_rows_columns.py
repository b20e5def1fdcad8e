import pytest
from sqlalchemy import Table

from sorobanflow.rows.events import EventRow
from sorobanflow.rows.operations import OperationRow
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.store import tables


@pytest.mark.parametrize(
    ("fields", "table"),
    [
        (EventRow._fields, tables.events),
        (TransactionRow._fields, tables.transactions),
        (OperationRow._fields, tables.operations),
        (TokenOperationRow._fields, tables.token_operations),
        (QuarantineRow._fields, tables.quarantine),
    ],
)
def test_rows_have_the_columns_of_their_table_in_order(
    fields: tuple[str, ...], table: Table
) -> None:
    assert fields == tuple(c.name for c in table.columns if c.server_default is None)
