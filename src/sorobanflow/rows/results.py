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

    `operations` are the result codes in order, or None where no operation was
    applied. The `inner_*` only where a fee bump got as far as its inner one.
    """

    code: str
    fee_charged: int
    operations: list[str] | None
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
        inner_code, operations = _code(content["result"])
        inner_hash = hash_hex(content["transaction_hash"])
        return Result(code, fee_charged, _operations(operations), inner_hash, inner_code)
    return Result(code, fee_charged, _operations(content))


def _code(result: Json) -> tuple[str, Json]:
    code, content = arm(result["result"])
    return name(code), content


def _operations(results: Json) -> list[str] | None:
    return None if results is None else [_operation_code(result) for result in results]


def _operation_code(result: Json) -> str:
    code, content = arm(result)
    if code != "op_inner":
        return name(code)
    _, inner = arm(content)
    return name(arm(inner)[0])
