import pytest
from sqlalchemy import Table

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.calls import ContractCallRow
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.executables import ContractAnswerRow, ContractRow, ExecutableRow
from sorobanflow.rows.headers import HeaderRow
from sorobanflow.rows.operations import OperationRow
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.state_rows import (
    AccountDataRow,
    AccountRow,
    ClaimableBalanceRow,
    ContractCodeRow,
    ContractDataRow,
    LiquidityPoolRow,
    OfferRow,
    TokenAnswerRow,
    TokenBalanceRow,
    TokenMetadataRow,
    TokenRow,
    TrustLineRow,
)
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.rows.trades import TradeRow
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.store import tables
from sorobanflow.store.tables.contracts import contracts

BATCH = BatchRows(LedgerRange(1, 1))
ROWS = {
    tables.events: EventRow,
    tables.transactions: TransactionRow,
    tables.operations: OperationRow,
    tables.trades: TradeRow,
    tables.token_operations: TokenOperationRow,
    tables.contract_calls: ContractCallRow,
    tables.contract_executables: ExecutableRow,
    tables.contract_data_entries: ContractDataRow,
    tables.contract_code: ContractCodeRow,
    tables.account_entries: AccountRow,
    tables.trust_lines: TrustLineRow,
    tables.offers: OfferRow,
    tables.liquidity_pools: LiquidityPoolRow,
    tables.claimable_balances: ClaimableBalanceRow,
    tables.account_data: AccountDataRow,
    tables.token_metadata: TokenMetadataRow,
    tables.token_balances: TokenBalanceRow,
}


OTHER_ROWS = {
    tables.tokens: TokenRow,
    tables.token_answers: TokenAnswerRow,
    contracts: ContractRow,
    tables.contract_answers: ContractAnswerRow,
}


@pytest.mark.parametrize("table", ROWS | OTHER_ROWS, ids=lambda table: table.name)
def test_rows_have_the_columns_of_their_table_in_order(table: Table) -> None:
    assert (ROWS | OTHER_ROWS)[table]._fields == tuple(table.columns.keys())


def test_header_rows_have_the_last_columns_of_the_ledgers_in_order() -> None:
    first = ("sequence", "closed_at", "transaction_count", "event_count")
    assert (*first, *HeaderRow._fields) == tuple(tables.ledgers.columns.keys())


def test_quarantine_rows_have_its_columns_up_to_those_that_the_store_fills() -> None:
    filled = ("attempts", "first_seen", "stream")
    assert (*QuarantineRow._fields, *filled) == tuple(tables.quarantine.columns.keys())


def test_batch_has_rows_of_every_table_of_the_schema_but_these() -> None:
    others = {"audited", "coverage", "event_shapes", "gaps", "ledgers", "network"}
    others |= {"token_answers", "live_streams", "archives", "dropped", "contract_answers"}
    others |= {"inferred_events"}
    others |= {table.name for table in tables.SPEC_TABLES}
    assert set(BATCH.by_table()) == {one.name for one in tables.metadata.tables.values()} - others


def test_batch_names_all_its_rows_by_their_table() -> None:
    attributes = {name: rows for name, rows in vars(BATCH).items() if isinstance(rows, list)}
    by_table = BATCH.by_table()
    assert by_table.keys() == attributes.keys()
    assert all(by_table[name] is rows for name, rows in attributes.items())


def test_store_writes_every_table_of_a_batch() -> None:
    history = (*tables.HISTORY_TABLES, tables.contract_calls, tables.contract_executables)
    seen = (tables.tokens, contracts, tables.contract_specs)
    written = (*history, *tables.STATE_TABLES, *seen, tables.quarantine)
    assert {table.name for table in written} == BATCH.by_table().keys()
    assert written[:-4] == tuple(ROWS)
