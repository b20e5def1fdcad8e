"""Make all that one transaction becomes, for `row_maker`; its hash is checked."""

from collections.abc import Sequence
from typing import NamedTuple

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.close_meta import FeeChanges
from sorobanflow.decode.transactions import (
    DecodedTransaction,
    check_hash,
    decode_transaction,
    network_id,
)
from sorobanflow.rows.calls import ContractCallRow, call_rows
from sorobanflow.rows.entry_rows import Changed, state_rows
from sorobanflow.rows.fees import possible
from sorobanflow.rows.operations import OperationRow, operation_rows
from sorobanflow.rows.trades import TradeRow, trade_rows
from sorobanflow.rows.transactions import TransactionRow, transaction_row
from sorobanflow.sources.items import Transaction


class TransactionEntry(NamedTuple):
    """What a transaction became."""

    row: TransactionRow
    operations: list[OperationRow]
    trades: list[TradeRow]
    meta: Meta
    state: list[Changed]
    calls: Sequence[ContractCallRow] = ()

    def is_same(self, other: "TransactionEntry") -> bool:
        """Whether both are the same, but for their calls: each node has measured its own."""
        return self is other or self._replace(calls=()) == other._replace(calls=())

    def with_fees(self, fees: FeeChanges) -> "TransactionEntry":
        """Take what a whole ledger says of its fee, where the meta leaves parts of it open."""
        row, meta = self.row, self.meta
        resource_fee, refund = row.soroban_resource_fee, row.resource_fee_refund
        if resource_fee is None or fees.charged is None:
            return self
        if refund is None and meta.refund_after is not None and fees.refunded is not None:
            refund = possible(meta.refund_after + fees.refunded, resource_fee)
        inclusion = possible(fees.charged - resource_fee)
        told = row._replace(inclusion_fee_charged=inclusion, resource_fee_refund=refund)
        return self._replace(row=told)


class TransactionReader:
    """Reads the transactions of a network; also rows of state and of contract calls if asked."""

    def __init__(
        self, passphrase: str, *, with_state: bool = False, with_calls: bool = False
    ) -> None:
        self._passphrase = passphrase
        self._network = network_id(passphrase)
        self._with_state, self._with_calls = with_state, with_calls
        #: By hash: the transactions of a whole ledger, which are proved; without diagnostics.
        self.decoded: dict[str, DecodedTransaction | None] = {}

    def read(self, item: Transaction) -> TransactionEntry:
        """Make the rows; DecodeError if it is not what it should be."""
        decoded = None if self._with_calls else self.decoded.get(item.tx_hash)
        if decoded is None:
            decoded = decode_transaction(item, with_diagnostics=self._with_calls)
            check_hash(item, decoded.envelope, self._network)
        row = transaction_row(item, decoded)
        operations = operation_rows(row, decoded)
        trades = trade_rows(operations, decoded.result.operations)
        state = state_rows(row, decoded, self._passphrase) if self._with_state else []
        meta = decoded.meta
        if not self._with_calls:
            return TransactionEntry(row, operations, trades, meta, state)
        calls = call_rows(row, meta.diagnostics)
        meta = meta._replace(diagnostics=())
        return TransactionEntry(row, operations, trades, meta, state, calls)
