"""Make the rows of a transaction's operations; all have one form, name and body as in SEP-51."""

from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.reader import Json
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import Account, account
from sorobanflow.rows.envelopes import transaction_of
from sorobanflow.rows.results import operation_codes
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.rows.values import arm, json_text, name, reading


class OperationRow(NamedTuple):
    """A row of `operations`; details are JSON text."""

    tx_hash: str
    op_index: int
    ledger: int
    closed_at: datetime
    type: str
    source_account: str
    source_muxed_id: int | None
    details: str
    result_code: str | None
    successful: bool


def operation_rows(row: TransactionRow, decoded: DecodedTransaction) -> list[OperationRow]:
    """Make the rows of the operations, in order; DecodeError if one lacks its form or result."""
    with reading(f"an operation of transaction {row.hash}"):
        operations = transaction_of(decoded.envelope)["operations"]
        codes = operation_codes(decoded.result)
        if codes is not None and len(codes) != len(operations):
            raise DecodeError(f"{len(codes)} results for {len(operations)} operations")
        return [
            _operation_row(row, index, operation, codes[index] if codes else None)
            for index, operation in enumerate(operations)
        ]


def _operation_row(
    row: TransactionRow, index: int, operation: Json, code: str | None
) -> OperationRow:
    kind, body = arm(operation["body"])
    own = operation["source_account"]
    source = Account(row.source_account, row.source_muxed_id) if own is None else account(own)
    return OperationRow(
        tx_hash=row.hash,
        op_index=index,
        ledger=row.ledger,
        closed_at=row.closed_at,
        type=name(kind),
        source_account=source.address,
        source_muxed_id=source.muxed_id,
        details=json_text(body),
        result_code=code,
        successful=row.successful,
    )
