"""What the program reports while it works, and the hook that takes it.

The hooks are `sources.rpc.stats` and `metrics.sink`. Invariant: a hook that fails never
breaks what it observes.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sorobanflow.ledgers import LedgerRange

BreakerState = Literal["closed", "open", "half_open"]
Strain = Literal["rate", "timeout", "latency"]
Step = Literal["fetch", "decode", "write"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class CallFinished(Record):
    """An HTTP call ended; `error` is the class of the error, if there was one."""

    method: str
    seconds: float
    size_bytes: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Retrying(Record):
    """An attempt failed; the next one follows after `wait_s` seconds."""

    method: str
    wait_s: float
    error: str


@dataclass(frozen=True, slots=True)
class BreakerChanged(Record):
    """The circuit breaker of a method took a new state."""

    method: str
    new: BreakerState


@dataclass(frozen=True, slots=True)
class ConcurrencyChanged(Record):
    """Up to `limit` concurrent calls are allowed now; `strain` is why it was halved."""

    limit: int
    max_limit: int
    strain: Strain | None


@dataclass(frozen=True, slots=True)
class StepDone(Record):
    """A batch took one step.

    `fetch` includes waits for a free call; `decode`, those for the decoding processes.
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
    """A batch was not committed; `error` is the class of the error."""

    error: str


@dataclass(frozen=True, slots=True)
class GapRecorded(Record):
    """Ledgers that the node no longer has were recorded as missing."""

    stream: str
    ledgers: LedgerRange


@dataclass(frozen=True)
class PoolStats:
    """What a connection pool holds now, and what it did since it was opened."""

    max_open: int
    open: int  # including those being opened
    in_use: int
    idle: int
    wait_count: int  # callers that found all `max_open` connections in use
    wait_s: float  # in total
    closed_max_idle: int  # when given back, because `max_idle` were idle
    closed_idle_time: int  # because nobody used them for `max_idle_s`
    closed_lifetime: int

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        return [
            ("at most", f"{self.max_open:,}"),
            ("open", f"{self.open:,}"),
            ("in use", f"{self.in_use:,}"),
            ("idle", f"{self.idle:,}"),
            ("waits for a connection", f"{self.wait_count:,}"),
            ("time waited for a connection", f"{self.wait_s:.1f} s"),
            ("closed: enough were idle", f"{self.closed_max_idle:,}"),
            ("closed: idle for too long", f"{self.closed_idle_time:,}"),
            ("closed: end of lifetime", f"{self.closed_lifetime:,}"),
        ]


@dataclass(frozen=True, slots=True)
class PoolSampled(Record):
    """The statistics of a pool now, and at the sample before; None at the first."""

    now: PoolStats
    before: PoolStats | None


Hook = Callable[[Record], object]


def report(hook: Hook | None, record: Record) -> None:
    """Hand a record to the hook; log its failure."""
    if hook is None:
        return
    try:
        hook(record)
    except Exception:
        _log.exception("the hook failed on %s", type(record).__name__)


def join_hooks(*hooks: Hook | None) -> Hook:
    """Make one hook of several; the failure of one does not keep a record from the others."""

    def hand_on(record: Record) -> None:
        for hook in hooks:
            report(hook, record)

    return hand_on
