"""The rows of a batch, from `rows` to `store`; `by_table` names every table that it writes."""

from datetime import datetime
from typing import Any

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.calls import ContractCallRow
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.executables import ContractRow, ExecutableRow, WasmRow
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
    TokenBalanceRow,
    TokenMetadataRow,
    TokenRow,
    TrustLineRow,
)
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.rows.trades import TradeRow
from sorobanflow.rows.transactions import TransactionRow


# Not a dataclass: Prefect walks through those that are passed to a task.
class BatchRows:
    """The rows of a range of whole ledgers: history in chain order, state by key."""

    def __init__(self, ledgers: LedgerRange) -> None:
        self.ledgers = ledgers
        self.closed_at: dict[int, datetime] = {}  # of every ledger that has a row
        self.headers: dict[int, HeaderRow] = {}  # of every ledger, if they came whole
        #: Whether the rows are all that their ledgers determine: where they came as events and
        #: transactions, there may be state that only a whole ledger tells.
        self.is_whole = False
        self.events: list[EventRow] = []
        self.transactions: list[TransactionRow] = []
        self.operations: list[OperationRow] = []
        self.trades: list[TradeRow] = []
        self.token_operations: list[TokenOperationRow] = []
        self.contract_calls: list[ContractCallRow] = []  # only if asked for
        self.contract_executables: list[ExecutableRow] = []
        self.contract_data_entries: list[ContractDataRow] = []
        self.contract_code: list[ContractCodeRow] = []
        self.account_entries: list[AccountRow] = []
        self.trust_lines: list[TrustLineRow] = []
        self.offers: list[OfferRow] = []
        self.liquidity_pools: list[LiquidityPoolRow] = []
        self.claimable_balances: list[ClaimableBalanceRow] = []
        self.account_data: list[AccountDataRow] = []
        self.token_metadata: list[TokenMetadataRow] = []
        self.token_balances: list[TokenBalanceRow] = []
        self.tokens: list[TokenRow] = []
        self.contracts: list[ContractRow] = []
        self.contract_specs: list[WasmRow] = []
        self.quarantine: list[QuarantineRow] = []

    def by_table(self) -> dict[str, list[Any]]:
        """Return the rows by the name of their table: the one list of a batch's tables."""
        return {
            "events": self.events,
            "transactions": self.transactions,
            "operations": self.operations,
            "trades": self.trades,
            "token_operations": self.token_operations,
            "contract_calls": self.contract_calls,
            "contract_executables": self.contract_executables,
            "contract_data_entries": self.contract_data_entries,
            "contract_code": self.contract_code,
            "account_entries": self.account_entries,
            "trust_lines": self.trust_lines,
            "offers": self.offers,
            "liquidity_pools": self.liquidity_pools,
            "claimable_balances": self.claimable_balances,
            "account_data": self.account_data,
            "token_metadata": self.token_metadata,
            "token_balances": self.token_balances,
            "tokens": self.tokens,
            "contracts": self.contracts,
            "contract_specs": self.contract_specs,
            "quarantine": self.quarantine,
        }

    def counts(self) -> dict[str, int]:
        """Count the rows of each table."""
        return {table: len(rows) for table, rows in self.by_table().items()}
