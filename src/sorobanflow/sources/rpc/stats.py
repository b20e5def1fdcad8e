"""A hook that counts what the client reports, for the summary of a run.

`sorobanflow.metrics` has the other hook, for Prometheus.
"""

import dataclasses
import threading
from collections import Counter
from dataclasses import dataclass, field

from sorobanflow.records import (
    BreakerChanged,
    CallFinished,
    ConcurrencyChanged,
    Record,
    Retrying,
    Strain,
)

_STRAINS: dict[Strain, str] = {
    "rate": "HTTP 429",
    "timeout": "timeouts",
    "latency": "rising latency",
}


@dataclass(slots=True)
class MethodStats:
    """Counts of one RPC method; `calls` are HTTP calls, `trips` openings of the breaker."""

    calls: int = 0
    retries: int = 0
    trips: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class ConcurrencyStats:
    """The limit of concurrent calls: now, its bound, its lowest, and why it was halved."""

    limit: int = 0
    max_limit: int = 0
    lowest: int = 0
    halved: Counter[Strain] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Say it for a person."""
        if not self.halved:
            return f"up to {self.limit} of {self.max_limit}"
        reasons = ", ".join(f"{count} for {_STRAINS[name]}" for name, count in self.halved.items())
        return f"{self.limit} of {self.max_limit}, lowest {self.lowest}; halved {reasons}"


class RpcStats:
    """A hook that counts per method; may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._methods: dict[str, MethodStats] = {}
        self._concurrency = ConcurrencyStats()

    def __call__(self, record: Record) -> None:
        """Count a record."""
        with self._lock:
            match record:
                case CallFinished():
                    self._of(record.method).calls += 1
                    self._of(record.method).size_bytes += record.size_bytes
                case Retrying():
                    self._of(record.method).retries += 1
                case BreakerChanged():
                    self._of(record.method).trips += record.new == "open"
                case ConcurrencyChanged():
                    self._count_concurrency(record)

    def snapshot(self) -> dict[str, MethodStats]:
        """Copy the counts, by method."""
        with self._lock:
            return {name: dataclasses.replace(stats) for name, stats in self._methods.items()}

    def concurrency(self) -> ConcurrencyStats:
        """Copy what is known of the limit of concurrent calls."""
        with self._lock:
            now = self._concurrency
            return dataclasses.replace(now, halved=Counter(now.halved))

    def _of(self, method: str) -> MethodStats:
        return self._methods.setdefault(method, MethodStats())

    def _count_concurrency(self, record: ConcurrencyChanged) -> None:
        now = self._concurrency
        now.limit, now.max_limit = record.limit, record.max_limit
        now.lowest = min(now.lowest or record.limit, record.limit)
        if record.strain:
            now.halved[record.strain] += 1
