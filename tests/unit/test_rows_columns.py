import pytest
from sqlalchemy import Table

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch import Batch
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.operations import OperationRow
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.state_rows import (
    AccountRow,
    ContractCodeRow,
    ContractDataRow,
    TokenBalanceRow,
    TokenMetadataRow,
)
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.store import tables

ROWS = {
    tables.events: EventRow,
    tables.transactions: TransactionRow,
    tables.operations: OperationRow,
    tables.token_operations: TokenOperationRow,
    tables.contract_data_entries: ContractDataRow,
    tables.contract_code: ContractCodeRow,
    tables.account_entries: AccountRow,
    tables.token_metadata: TokenMetadataRow,
    tables.token_balances: TokenBalanceRow,
}


@pytest.mark.parametrize("table", ROWS, ids=lambda table: table.name)
def test_rows_have_the_columns_of_their_table_in_order(table: Table) -> None:
    assert ROWS[table]._fields == tuple(table.columns.keys())


def test_quarantine_rows_have_its_columns_up_to_those_that_the_store_fills() -> None:
    filled = ("attempts", "first_seen", "stream")
    assert (*QuarantineRow._fields, *filled) == tuple(tables.quarantine.columns.keys())


def test_every_written_table_has_rows_of_its_name_in_the_batch() -> None:
    written = [table.name for table in (*tables.HISTORY_TABLES, *tables.STATE_TABLES)]
    assert written == [table.name for table in ROWS]
    assert set(written) < vars(Batch(LedgerRange(1, 1))).keys()
