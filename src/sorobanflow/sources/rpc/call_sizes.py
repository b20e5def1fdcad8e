"""How many items one call of a method asks for: the one place that decides it.

What the node states ("limit must not exceed 100") holds for good; what is guessed from
timeouts, answers that are too large and slow calls recovers as calls succeed. Invariant:
a call asks for at least one item and for no more than the node states. The size changes
only the number of calls, so threads share it without a lock.
"""

import math

#: A call is slow when it takes longer than this and than `SLOWER` times the quickest call yet.
SLOW_S = 1.0
SLOWER = 2.0
#: A call is quick when it takes at most this much longer than the quickest one.
QUICK_S = 0.5
#: Full calls, at most, before a size that failed is tried again.
MAX_PATIENCE = 64
#: CPU seconds that a task costs, here and on Prefect's server: 44 ms in a backfill.
TASK_S = 0.05
#: Calls of one task at most, so that it ends soon after it is told to stop.
MAX_TASK_CALLS = 10


class CallSize:
    """How many items a method's calls ask for; slow calls reduce it to `min_slow` at least.

    The first calls ask for `start`, or for `max_items`.
    """

    def __init__(self, max_items: int, min_slow: int, start: int | None = None) -> None:
        self._stated = max_items
        self._guessed = start or max_items
        self._min_slow = min_slow
        self._failed = math.inf  # the size that failed last, until it succeeds
        self._patience = 1
        self._full_calls = 0  # since the size changed
        self._quickest_s = math.inf

    @property
    def items(self) -> int:
        """Items to ask for in one call."""
        return min(self._stated, self._guessed)

    @property
    def items_per_task(self) -> int:
        """Items that are worth a task; a quick node is called several times by one task."""
        call_s = max(self._quickest_s, TASK_S / MAX_TASK_CALLS)
        return self.items * max(1, int(TASK_S / call_s))

    def state(self, limit: int) -> None:
        """Take in the limit that the node states."""
        self._stated = max(1, min(self._stated, limit))

    def fail(self, asked: int) -> None:
        """Take in a call that timed out or whose answer was too large: ask for half."""
        # Calls that were under way together asked for the same and reduce it once; no call can
        # ask for less than one.
        if 1 < asked <= self.items:
            self._failed = asked
            self._patience = min(2 * self._patience, MAX_PATIENCE)
            self._reduce(asked // 2)

    def succeed(self, items: int, seconds: float) -> None:
        """Take in a call that gave so many items in so many seconds."""
        self._quickest_s = min(self._quickest_s, seconds)
        if 2 * items < self.items:
            return  # its time is that of something else, such as the search for a sparse page
        slow = seconds > max(SLOW_S, SLOWER * self._quickest_s)
        quick = seconds < QUICK_S + self._quickest_s
        if slow and self.items > self._min_slow:
            self._reduce(max(self._min_slow, min(self.items, items) // 2))
        elif quick or self.items < self._min_slow:
            self._grow()

    def _reduce(self, size: int) -> None:
        self._guessed = max(1, size)
        self._full_calls = 0

    def _grow(self) -> None:
        """Double the size; a size that failed waits for more full calls after each failure."""
        if self.items >= self._failed:  # it succeeds now
            self._failed = math.inf
            self._patience = max(1, self._patience // 2)
        self._full_calls += 1
        size = min(2 * self.items, self._stated)
        if size > self._guessed and (size < self._failed or self._full_calls >= self._patience):
            self._guessed, self._full_calls = size, 0
