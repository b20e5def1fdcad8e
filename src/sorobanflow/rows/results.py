"""Split a transaction's result into numbers and the protocol's names, such as "op_bad_auth"."""

from typing import NamedTuple

from sorobanflow.decode.reader import Json
from sorobanflow.rows.values import arm, hash_bytes, i64, name

_SUCCESS = ("tx_success", "tx_fee_bump_inner_success")


class Result(NamedTuple):
    """A TransactionResult; the `inner_*` are those of a fee bump that applied its inner one."""

    code: str
    fee_charged: int  # stroops
    inner_hash: bytes | None = None
    inner_code: str | None = None

    @property
    def successful(self) -> bool:
        """Whether the transaction succeeded."""
        return self.code in _SUCCESS


class OperationResult(NamedTuple):
    """The result of an operation: its code, and what its arm holds in SEP-51 form, or None."""

    code: str | None  # None: it was not applied
    content: Json


def open_result(result: Json) -> Result:
    """Split a TransactionResult in SEP-51 form."""
    code, content = arm(result["result"])
    fee_charged = i64(result["fee_charged"])
    if not isinstance(content, dict):
        return Result(name(code), fee_charged)
    inner_code, _ = arm(content["result"]["result"])
    inner_hash = hash_bytes(content["transaction_hash"])
    return Result(name(code), fee_charged, inner_hash, name(inner_code))


def operation_results(result: Json) -> list[OperationResult] | None:
    """Return the results of the operations, in order; None if none was applied."""
    _, content = arm(result["result"])
    if isinstance(content, dict):
        _, content = arm(content["result"]["result"])
    return None if content is None else [_operation_result(operation) for operation in content]


def _operation_result(result: Json) -> OperationResult:
    code, content = arm(result)
    if code == "op_inner":
        _, inner = arm(content)
        code, content = arm(inner)
    return OperationResult(name(code), content)
