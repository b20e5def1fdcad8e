"""Read the preconditions of a transaction.

Invariant: a column is None where the transaction does not state the condition,
and holds the stated value otherwise, also where that is 0 (no bound).
"""

from typing import NamedTuple

from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.values import arm, i64, json_text, u32, u64


class Preconditions(NamedTuple):
    """The columns of `transactions` for preconditions; times in Unix seconds."""

    min_time: int | None = None
    max_time: int | None = None
    min_ledger: int | None = None
    max_ledger: int | None = None
    min_sequence: int | None = None
    min_sequence_age: int | None = None
    min_sequence_ledger_gap: int | None = None
    extra_signers: str | None = None


def read_preconditions(condition: Json) -> Preconditions:
    """Read a Preconditions in SEP-51 form.

    Raises:
        DecodeError: an unknown kind, or a field that does not hold its type.
    """
    kind, content = arm(condition)
    if kind == "none":
        return Preconditions()
    if kind == "time":
        return Preconditions(*_time_bounds(content))
    if kind == "v2":
        return _v2(content)
    raise DecodeError(f"unknown preconditions: {kind!r:.80}; wanted none, time or v2")


def _v2(content: Json) -> Preconditions:
    min_time, max_time = _time_bounds(content["time_bounds"])
    ledgers = content["ledger_bounds"]
    sequence = content["min_seq_num"]
    return Preconditions(
        min_time=min_time,
        max_time=max_time,
        min_ledger=None if ledgers is None else u32(ledgers["min_ledger"]),
        max_ledger=None if ledgers is None else u32(ledgers["max_ledger"]),
        min_sequence=None if sequence is None else i64(sequence),
        min_sequence_age=u64(content["min_seq_age"]),
        min_sequence_ledger_gap=u32(content["min_seq_ledger_gap"]),
        extra_signers=json_text(content["extra_signers"]),
    )


def _time_bounds(bounds: Json) -> tuple[int | None, int | None]:
    return (None, None) if bounds is None else (u64(bounds["min_time"]), u64(bounds["max_time"]))
