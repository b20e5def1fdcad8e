"""Make the rows of a transaction's operations; all have one form, name and body as in SEP-51."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.operation_types import OPERATION_TYPES
from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import Account, account
from sorobanflow.rows.envelopes import transaction_of
from sorobanflow.rows.results import OperationResult
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.rows.values import arm, json_text, reading


class OperationRow(NamedTuple):
    """A row of `operations`; details and result are JSON text.

    `type` is a number of OperationType; a result code of None is success in a transaction that
    was successful.
    """

    closed_at: datetime
    ledger: int
    application_order: int
    op_index: int
    type: int
    successful: bool
    tx_hash: bytes
    source_account: str
    source_muxed_id: int | None
    details: str
    result_code: str | None
    result: str | None


_NUMBERS = {name: number for number, name in enumerate(OPERATION_TYPES)}
INVOKE_HOST_FUNCTION = _NUMBERS["invoke_host_function"]
_NOT_APPLIED = OperationResult(None, None)


def operation_rows(
    row: TransactionRow, envelope: Json, results: Sequence[OperationResult] | None
) -> list[OperationRow]:
    """Make the rows of the operations, in order; DecodeError if one lacks its form or result.

    `envelope` and `results` are the transaction's; see `operation_results`.
    """
    with reading(f"an operation of transaction {row.hash.hex()}"):
        operations = transaction_of(envelope)["operations"]
        if results is not None and len(results) != len(operations):
            raise DecodeError(f"{len(results)} results for {len(operations)} operations")
        return [
            _operation_row(row, index, operation, results[index] if results else _NOT_APPLIED)
            for index, operation in enumerate(operations)
        ]


def _operation_row(
    row: TransactionRow, index: int, operation: Json, result: OperationResult
) -> OperationRow:
    kind, body = arm(operation["body"])
    own = operation["source_account"]
    source = Account(row.source_account, row.source_muxed_id) if own is None else account(own)
    return OperationRow(
        closed_at=row.closed_at,
        ledger=row.ledger,
        application_order=row.application_order,
        op_index=index,
        type=_NUMBERS[kind],
        successful=row.successful,
        tx_hash=row.hash,
        source_account=source.address,
        source_muxed_id=source.muxed_id,
        details=json_text(body),
        result_code=None if row.successful and result.code == "success" else result.code,
        result=None if result.content is None else json_text(result.content),
    )
