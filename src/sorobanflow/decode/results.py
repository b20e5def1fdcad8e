"""Read a transaction's result: numbers, and the protocol's names such as "op_bad_auth".

Invariant: what is here are the `parts` of `result_types`, so every value is what its type says.
"""

from typing import NamedTuple

from sorobanflow.decode.result_types import TRANSACTION_RESULT
from sorobanflow.decode.straight import Parts

_SUCCESS = ("tx_success", "tx_fee_bump_inner_success")


class OperationResult(NamedTuple):
    """The result of an operation: its code, and what its arm holds, as JSON."""

    code: str | None  # None: it was not applied
    content: str | None
    claims: list[Parts]  # the ClaimAtoms of a success


class Result(NamedTuple):
    """A TransactionResult; the `inner_*` are those of a fee bump that applied its inner one."""

    code: str
    fee_charged: int  # stroops
    operations: list[OperationResult] | None  # in order; None if none was applied
    inner_hash: bytes | None = None
    inner_code: str | None = None

    @property
    def successful(self) -> bool:
        """Whether the transaction succeeded."""
        return self.code in _SUCCESS


def read_result(data: bytes, at: int) -> tuple[Result, int]:
    """Read a TransactionResult."""
    (fee_charged, (code, content), _), at = TRANSACTION_RESULT.parts(data, at)
    inner_hash = inner_code = None
    if type(content) is tuple:
        inner_hash, (_, (inner_code, content), _) = content
    operations = None if content is None else [*map(_operation_result, content)]
    return Result(code, fee_charged, operations, inner_hash, inner_code), at


def _operation_result(result: Parts) -> OperationResult:
    code, content = result
    if code == "op_inner":
        _, (code, content) = content
        if type(content) is tuple:  # the JSON, and the claim atoms in it
            return OperationResult(code, *content)
    return OperationResult(code, content, [])
