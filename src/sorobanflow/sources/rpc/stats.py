"""What the client reports while it works, the hook that takes it, and a sink that counts it.

The client, its retries and its breakers hand frozen records to one hook; what
becomes of them (a log line, a metric, a count) is the hook's matter. The records
of batches and runs are in `sorobanflow.records`, for the same hook. Invariant: a
hook that fails never breaks what it observes. `RpcStats` is the sink that runs
use for their reports; `sorobanflow.metrics` has another.
"""

import dataclasses
import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

State = Literal["closed", "open", "half_open"]
Strain = Literal["rate", "timeout", "latency"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """Something that happened; a sink passes over the kinds that it does not know."""


@dataclass(frozen=True, slots=True)
class CallFinished(Record):
    """One HTTP call ended; `error` is the class of what it raised, if anything."""

    method: str
    seconds: float
    size_bytes: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Retrying(Record):
    """Attempt number `attempt` failed; the next follows after `wait_s` seconds."""

    method: str
    attempt: int
    wait_s: float
    error: str


@dataclass(frozen=True, slots=True)
class BreakerChanged(Record):
    """The circuit breaker of a method went from one state to another."""

    method: str
    old: State
    new: State


@dataclass(frozen=True, slots=True)
class PaceChanged(Record):
    """Now `limit` calls of at most `most` go at once; `strain`: what halved it."""

    limit: int
    most: int
    strain: Strain | None


Hook = Callable[[Record], object]


def report(hook: Hook | None, record: Record) -> None:
    """Hand a record to the hook; its failure is logged and goes no further."""
    if hook is None:
        return
    try:
        hook(record)
    except Exception:
        _log.exception("the hook failed on %s", type(record).__name__)


def fan_out(*hooks: Hook | None) -> Hook:
    """Make one hook of several; one that fails keeps nothing from the others."""

    def hand_on(record: Record) -> None:
        for hook in hooks:
            report(hook, record)

    return hand_on


@dataclass(slots=True)
class MethodStats:
    """Counts of one RPC method: HTTP calls, what failed, what came back."""

    calls: int = 0
    failures: int = 0
    retries: int = 0
    trips: int = 0
    size_bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class PaceStats:
    """Calls at once: how many now, how many at most, the fewest, and what halved them."""

    limit: int = 0
    most: int = 0
    lowest: int = 0
    halved: Counter[Strain] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Say it for a person."""
        if not self.halved:
            return f"up to {self.limit} of {self.most}"
        reasons = ", ".join(f"{count} for {_STRAINS[name]}" for name, count in self.halved.items())
        return f"{self.limit} of {self.most}, lowest {self.lowest}; halved {reasons}"


_STRAINS: dict[Strain, str] = {
    "rate": "HTTP 429",
    "timeout": "timeouts",
    "latency": "rising latency",
}


class RpcStats:
    """A hook that counts per method; may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._methods: dict[str, MethodStats] = {}
        self._pace = PaceStats()

    def __call__(self, record: Record) -> None:
        """Count a record."""
        with self._lock:
            match record:
                case CallFinished():
                    stats = self._of(record.method)
                    stats.calls += 1
                    stats.failures += record.error is not None
                    stats.size_bytes += record.size_bytes
                    stats.seconds += record.seconds
                case Retrying():
                    self._of(record.method).retries += 1
                case BreakerChanged():
                    self._of(record.method).trips += record.new == "open"
                case PaceChanged():
                    self._count_pace(record)

    def snapshot(self) -> dict[str, MethodStats]:
        """Copy the counts, by method."""
        with self._lock:
            return {name: dataclasses.replace(stats) for name, stats in self._methods.items()}

    def pace(self) -> PaceStats:
        """Copy what is known of the calls at once."""
        with self._lock:
            return dataclasses.replace(self._pace, halved=Counter(self._pace.halved))

    def _of(self, method: str) -> MethodStats:
        return self._methods.setdefault(method, MethodStats())

    def _count_pace(self, record: PaceChanged) -> None:
        pace = self._pace
        pace.limit, pace.most = record.limit, record.most
        if record.strain:
            pace.halved[record.strain] += 1
        pace.lowest = min(pace.lowest or record.limit, record.limit)
