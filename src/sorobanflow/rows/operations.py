"""Make the rows of a transaction's operations.

Follows `rows.transactions`. One form for all operation types: the name and the
body as SEP-51 has them. Invariant: as many rows as operations, each with its
own result where results exist.
"""

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
    """A row of `operations`; details as JSON text."""

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
    """Make the rows of the operations of a transaction, in order.

    Raises:
        DecodeError: an operation does not have its form, or the number of
            results is not the number of operations.
    """
    with reading(f"an operation of transaction {row.hash}"):
        operations = transaction_of(decoded.envelope)["operations"]
        codes = _codes(decoded.result, len(operations))
        return [
            _operation_row(row, index, operation, code)
            for index, (operation, code) in enumerate(zip(operations, codes, strict=True))
        ]


def _codes(result: Json, count: int) -> list[str] | list[None]:
    codes = operation_codes(result)
    if codes is None:
        return [None] * count
    if len(codes) != count:
        raise DecodeError(f"{len(codes)} results for {count} operations")
    return codes


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
