"""How hard the node is asked: calls at once, and how much each asks for.

Under every call of the client, beside the breakers. Calls at once grow by one a
round trip while the node holds, and halve when it says 429, gives no answer in
time, or slows down: additive increase, multiplicative decrease, as in TCP.
Invariants: never more at once than the cap; a slot that is taken is given back
whatever happens; one bad moment halves once, however many calls see it.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sorobanflow.errors import ClientStoppedError, RateLimitedError, RpcTimeoutError
from sorobanflow.sources.rpc.stats import Hook, PaceChanged, Strain, report

#: A node is slower when a call takes so many times what it took, both each and per byte.
SLOWER = 2.0
#: Seconds under which nobody minds: local load alone makes a call that slow.
UNMINDED_S = 0.25
#: Calls of a method before its times mean anything.
LEARNT_FROM = 10
#: What a call weighs before its first byte, so that small answers compare.
CALL_BYTES = 16_384

#: Seconds that a call may take before it asks for less, and above the quickest for more.
SLOW_S, FAST_S = 1.0, 0.5
#: CPU seconds that a task costs, here and on Prefect's server: 44 ms in a backfill.
TASK_S = 0.05
#: Calls of a task at most, so that it soon ends where it is told to stop.
MOST_CALLS = 10


@dataclass(slots=True)
class Slot:
    """One call on its way."""

    method: str
    began: float
    seconds: float | None = None
    size_bytes: int = 0


class _Trend:
    """The time of a method's calls, lately and before."""

    def __init__(self) -> None:
        self._count = 0
        self._lately = [0.0, 0.0]
        self._before = [0.0, 0.0]

    def rises(self, seconds: float, size_bytes: int) -> bool:
        """Take in a call; whether calls have become slower, each and per byte."""
        self._count += 1
        for index, value in enumerate((seconds, seconds / (CALL_BYTES + size_bytes))):
            self._lately[index] += max(0.3, 1 / self._count) * (value - self._lately[index])
            self._before[index] += max(0.05, 1 / self._count) * (value - self._before[index])
        slower = all(a > SLOWER * b for a, b in zip(self._lately, self._before, strict=True))
        return slower and self._count >= LEARNT_FROM and self._lately[0] > UNMINDED_S

    def settle(self) -> None:
        """Take what calls cost now for the usual."""
        self._before = [*self._lately]


class Pace:
    """Admits calls, so many at once as the node bears; shared by threads.

    Args:
        most: Calls at once at most; it starts at half of that.
        hook: Gets a record at the start, and of each change.
        clock: Monotonic seconds.
    """

    def __init__(
        self, most: int, *, hook: Hook | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._limit = float(max(1, (most + 1) // 2))
        self._hook = hook
        self._clock = clock
        self._changed = threading.Condition()
        self._active = 0
        self._full_at = -math.inf
        self._stopped = False
        self._held_back_at = -math.inf
        self._trends: dict[str, _Trend] = {}
        self._told = self.limit
        report(hook, PaceChanged(self.limit, most, None))

    @property
    def limit(self) -> int:
        """Calls at once that are allowed now."""
        return int(self._limit)

    @contextmanager
    def slot(self, method: str) -> Iterator[Slot]:
        """Wait for a place and keep it for one call; what the body raises is judged.

        The body says by `answered` when the answer was there, before reading it.

        Raises:
            ClientStoppedError: `stop` was called.
        """
        with self._changed:
            while not self._stopped and self._active >= self.limit:
                self._changed.wait()
            if self._stopped:
                raise ClientStoppedError(method)
            self._active += 1
            slot = Slot(method, self._clock())
            if self._active >= self.limit:
                self._full_at = slot.began
        strain: Strain | None = None
        try:
            yield slot
        except (RateLimitedError, RpcTimeoutError) as error:
            strain = "rate" if isinstance(error, RateLimitedError) else "timeout"
            raise
        finally:
            self._leave(slot, strain)

    def answered(self, slot: Slot, size_bytes: int) -> None:
        """Note the end of a call; reading the answer is our own time."""
        slot.seconds = self._clock() - slot.began
        slot.size_bytes = size_bytes

    def stop(self) -> None:
        """Admit no more calls; those that wait end at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _leave(self, slot: Slot, strain: Strain | None) -> None:
        with self._changed:
            self._active -= 1
            if slot.seconds is not None:
                trend = self._trends.setdefault(slot.method, _Trend())
                if trend.rises(slot.seconds, slot.size_bytes):
                    strain = strain or "latency"
            # Calls that were under way at the last halving tell of the same moment.
            if slot.began < self._held_back_at:
                strain = None
            elif strain is not None:
                self._hold_back()
            elif slot.seconds is not None and self._full_at >= slot.began:
                step = 1 / self._limit if self._held_back_at > -math.inf else 1
                self._limit = min(self._most, self._limit + step)
            self._changed.notify_all()
            changed, self._told = self.limit != self._told, self.limit
        if changed:
            report(self._hook, PaceChanged(self.limit, self._most, strain))

    def _hold_back(self) -> None:
        self._limit = max(1.0, self._limit / 2)
        self._held_back_at = self._clock()
        for trend in self._trends.values():
            trend.settle()


class CallSize:
    """Transactions to ask for in one call: as many as the node answers quickly.

    A large page costs the node one reading of a ledger, and us one task; a node
    that takes long for it is better asked for parts side by side. Quickly is
    measured against the quickest call yet: a smaller page shortens no wire.

    Args:
        least: Transactions per call at least.
        most: Transactions per call at most; it starts at half of that.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._quickest_s = math.inf
        self.transactions = max(least, most // 2)

    @property
    def of_a_task(self) -> int:
        """Transactions that are worth a task: of a quick node, those of several calls."""
        return self.transactions * max(1, int(TASK_S / max(self._quickest_s, TASK_S / MOST_CALLS)))

    def learn(self, transactions: int, seconds: float) -> None:
        """Take in how long a call of so many took."""
        self._quickest_s = min(self._quickest_s, seconds)
        if seconds > max(SLOW_S, SLOWER * self._quickest_s):
            self.transactions = max(self._least, min(self.transactions, transactions) // 2)
        elif 2 * transactions >= self.transactions and seconds < FAST_S + self._quickest_s:
            self.transactions = min(self._most, self.transactions * 2)
