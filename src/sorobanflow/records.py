"""What indexing reports while it works, beside what the client reports.

Frozen records for the one hook of `rpc.stats`: the steps of a batch, what was
committed, what was lost, and what the database's pool does. Whoever indexes
makes them; what becomes of them is the hook's matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.stats import Record
from sorobanflow.store.pool import PoolStats

Step = Literal["fetch", "decode", "write"]


@dataclass(frozen=True, slots=True)
class StepDone(Record):
    """A batch took one step, in `seconds`.

    To fetch takes from the begin of the batch to its last transaction, the waiting
    for a place among the calls included; to decode, what this process spent on it
    or waited for its helpers; to write, the database transaction.
    """

    step: Step
    seconds: float


@dataclass(frozen=True, slots=True)
class BatchWritten(Record):
    """A batch was committed: its ledgers, rows per table, and bytes of XDR."""

    stream: str
    ledgers: LedgerRange
    rows: Mapping[str, int]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BatchFailed(Record):
    """A batch could not be committed; `error` is the class of the reason."""

    error: str


@dataclass(frozen=True, slots=True)
class GapRecorded(Record):
    """Ledgers that the node no longer has were recorded as missing."""

    stream: str
    ledgers: LedgerRange


@dataclass(frozen=True, slots=True)
class PoolLooked(Record):
    """The statistics of a pool `now`, and those of the last look; `before` is None at first."""

    now: PoolStats
    before: PoolStats | None
