"""A hook that counts what the client reports, for the summary of a run."""

import threading
from collections import Counter

from sorobanflow.records import (
    BreakerChanged,
    CallFinished,
    ConcurrencyChanged,
    Record,
    Retrying,
    Strain,
)

_STRAINS: dict[Strain, str] = {
    "rate": "rate limits",
    "timeout": "timeouts",
    "latency": "rising latency",
}


class RpcStats:
    """A hook that counts over all methods; may be called from any thread."""

    def __init__(self) -> None:
        self.calls = self.size_bytes = self.retries = self.trips = 0
        self._limits: list[int] = []  # of concurrent calls: the last one and the lowest
        self._max_limit = 0
        self._halved: Counter[Strain] = Counter()
        self._lock = threading.Lock()

    def __call__(self, record: Record) -> None:
        """Count a record."""
        with self._lock:
            match record:
                case CallFinished():
                    self.calls += 1
                    self.size_bytes += record.size_bytes
                case Retrying():
                    self.retries += 1
                case BreakerChanged():
                    self.trips += record.new == "open"
                case ConcurrencyChanged():
                    lowest = min([record.limit, *self._limits[1:]])
                    self._limits, self._max_limit = [record.limit, lowest], record.max_limit
                    if record.strain:
                        self._halved[record.strain] += 1

    def concurrency(self) -> str:
        """Say for a person how many concurrent calls were allowed, and why they were halved."""
        with self._lock:
            limit, lowest = self._limits or (0, 0)
            if not self._halved:
                return f"up to {limit} of {self._max_limit}"
            reasons = [f"{count} for {_STRAINS[strain]}" for strain, count in self._halved.items()]
            return f"{limit} of {self._max_limit}, lowest {lowest}; halved {', '.join(reasons)}"
