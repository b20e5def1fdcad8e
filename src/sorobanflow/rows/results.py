"""Take the result of a transaction apart.

Invariant: what leaves this module are names of the protocol, such as
"tx_success" and "op_bad_auth", and checked numbers.
"""

from typing import NamedTuple

from sorobanflow.decode.reader import Json
from sorobanflow.rows.values import arm, hash_hex, i64, name

_SUCCESS = ("tx_success", "tx_fee_bump_inner_success")


class Result(NamedTuple):
    """A TransactionResult; `fee_charged` in stroops.

    The `inner_*` only where a fee bump got as far as its inner one.
    """

    code: str
    fee_charged: int
    inner_hash: str | None = None
    inner_code: str | None = None

    @property
    def successful(self) -> bool:
        """Whether the transaction was applied."""
        return self.code in _SUCCESS


def open_result(result: Json) -> Result:
    """Take a TransactionResult in SEP-51 form apart.

    Raises:
        DecodeError: a field does not hold its type.
    """
    code, content = _code(result)
    fee_charged = i64(result["fee_charged"])
    if isinstance(content, dict):
        inner_code, _ = _code(content["result"])
        return Result(code, fee_charged, hash_hex(content["transaction_hash"]), inner_code)
    return Result(code, fee_charged)


def operation_codes(result: Json) -> list[str] | None:
    """Give the result codes of the operations, in order; None where none was applied.

    Raises:
        DecodeError: a field does not hold its type.
    """
    _, content = _code(result)
    if isinstance(content, dict):
        _, content = _code(content["result"])
    return None if content is None else [_operation_code(operation) for operation in content]


def _code(result: Json) -> tuple[str, Json]:
    code, content = arm(result["result"])
    return name(code), content


def _operation_code(result: Json) -> str:
    code, content = arm(result)
    if code != "op_inner":
        return name(code)
    _, inner = arm(content)
    return name(arm(inner)[0])
