"""Make the rows of a transaction's operations; all have one form, name and body as in SEP-51."""

from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.codes import OPERATION_TYPES
from sorobanflow.decode.results import OperationResult
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.transactions import TransactionRow


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
_NOT_APPLIED = OperationResult(None, None, [])


def operation_rows(row: TransactionRow, decoded: DecodedTransaction) -> list[OperationRow]:
    """Make the rows of the operations, in order; DecodeError if the results are not of them."""
    envelope, results = decoded.envelope, decoded.result.operations
    if results is None:
        results = [_NOT_APPLIED] * len(envelope.operations)
    if len(results) != len(envelope.operations):
        raise DecodeError(f"{len(results)} results for {len(envelope.operations)} operations")
    successful = row.successful
    return [
        OperationRow(
            row.closed_at,
            row.ledger,
            row.application_order,
            index,
            _NUMBERS[kind],
            successful,
            row.hash,
            *(source or envelope.source),
            details or "null",
            None if successful and code == "success" else code,
            content,
        )
        for index, ((source, (kind, details)), (code, content, _)) in enumerate(
            zip(envelope.operations, results, strict=True)
        )
    ]
