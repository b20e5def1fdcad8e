"""The limit of concurrent calls to the node, which adapts to what the node can take.

The limit grows by one per round trip while the node keeps up, and halves when it answers
429, does not answer in time, or becomes slower, as in TCP. Invariants: the limit stays
between one and its bound; a slot is given back whatever happens; calls that were under
way together halve the limit once.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sorobanflow.errors import ClientStoppedError, RateLimitedError, RpcTimeoutError
from sorobanflow.records import ConcurrencyChanged, Hook, Strain, report

#: Recent calls take this many times the usual, per call and per byte: the node became slower.
SLOWER = 2.0
#: Quicker calls than this are never slow: local load alone makes a call that slow.
NEVER_SLOW_S = 0.25
#: Calls of a method before its times mean anything.
MIN_CALLS = 10
#: Added to the size of each answer, so that the times per byte of small answers compare.
CALL_BYTES = 16_384


@dataclass(slots=True)
class Slot:
    """One call under way; `seconds` is None until its answer has arrived."""

    method: str
    started: float
    seconds: float | None = None
    size_bytes: int = 0


class Latency:
    """The times of a method's calls: moving averages of the recent ones and of the usual."""

    def __init__(self) -> None:
        self._calls = 0
        self._recent = [0.0, 0.0]  # seconds per call, seconds per byte
        self._usual = [0.0, 0.0]

    def add(self, seconds: float, size_bytes: int) -> None:
        """Take in a call."""
        self._calls += 1
        for index, value in enumerate((seconds, seconds / (CALL_BYTES + size_bytes))):
            self._recent[index] += max(0.3, 1 / self._calls) * (value - self._recent[index])
            self._usual[index] += max(0.05, 1 / self._calls) * (value - self._usual[index])

    @property
    def has_risen(self) -> bool:
        """Whether recent calls are slower than usual."""
        if self._calls < MIN_CALLS or self._recent[0] <= NEVER_SLOW_S:
            return False
        pairs = zip(self._recent, self._usual, strict=True)
        return all(recent > SLOWER * usual for recent, usual in pairs)

    def accept(self) -> None:
        """Take the recent times for the usual ones."""
        self._usual = [*self._recent]


class Concurrency:
    """Admits concurrent calls up to a limit that adapts from half of the maximum on.

    Shared by threads; the hook gets a record of the limit and of each change.
    """

    def __init__(
        self,
        max_limit: int,
        *,
        hook: Hook | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_limit = max_limit
        self._limit = float(max(1, (max_limit + 1) // 2))
        self._hook = hook
        self._clock = clock
        self._changed = threading.Condition()
        self._active = 0
        self._stopped = False
        self._full_at = -math.inf
        self._halved_at = -math.inf
        self._latencies: dict[str, Latency] = {}
        self._reported = self.limit
        report(hook, ConcurrencyChanged(self.limit, max_limit, None))

    @property
    def limit(self) -> int:
        """Concurrent calls that are allowed now."""
        return int(self._limit)

    @contextmanager
    def slot(self, method: str) -> Iterator[Slot]:
        """Wait for a free slot, unless stopped, and hold it for one call."""
        slot = self._take(method)
        strain: Strain | None = None
        try:
            yield slot
        except RateLimitedError:
            strain = "rate"
            raise
        except RpcTimeoutError:
            strain = "timeout"
            raise
        finally:
            self._give_back(slot, strain)

    def answered(self, slot: Slot, size_bytes: int) -> float:
        """Note that the answer has arrived; give the seconds that the node took."""
        slot.seconds = self._clock() - slot.started
        slot.size_bytes = size_bytes
        return slot.seconds

    def stop(self) -> None:
        """Admit no more calls; those that wait end now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _take(self, method: str) -> Slot:
        with self._changed:
            while not self._stopped and self._active >= self.limit:
                self._changed.wait()
            if self._stopped:
                raise ClientStoppedError(method)
            self._active += 1
            slot = Slot(method, self._clock())
            if self._active >= self.limit:
                self._full_at = slot.started
            return slot

    def _give_back(self, slot: Slot, strain: Strain | None) -> None:
        with self._changed:
            self._active -= 1
            strain = self._latency_strain(slot) if strain is None else strain
            # A call that was under way at the last halving tells nothing new.
            if slot.started < self._halved_at:
                strain = None
            elif strain:
                self._halve()
            elif slot.seconds is not None and self._full_at >= slot.started:
                self._grow()
            self._changed.notify_all()
            changed, self._reported = self.limit != self._reported, self.limit
        if changed:
            report(self._hook, ConcurrencyChanged(self.limit, self._max_limit, strain))

    def _latency_strain(self, slot: Slot) -> Strain | None:
        if slot.seconds is None:
            return None
        latency = self._latencies.setdefault(slot.method, Latency())
        latency.add(slot.seconds, slot.size_bytes)
        return "latency" if latency.has_risen else None

    def _halve(self) -> None:
        self._limit = max(1.0, self._limit / 2)
        self._halved_at = self._clock()
        for latency in self._latencies.values():
            latency.accept()

    def _grow(self) -> None:
        """Grow by one a call, and after the first halving by one a round trip."""
        step = 1 / self._limit if self._halved_at > -math.inf else 1
        self._limit = min(self._max_limit, self._limit + step)
