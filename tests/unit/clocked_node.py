"""A node under a fake clock that is called concurrently, as many times as is allowed."""

from typing import Any

from sorobanflow.sources.endpoint.concurrency import Concurrency


class ClockedNode:
    """A node under a fake clock: `call` makes concurrent calls, each `seconds` long."""

    def __init__(self, max_limit: int = 10, hook: Any = None) -> None:
        self.now = 0.0
        self.concurrency = Concurrency(max_limit, hook=hook, clock=lambda: self.now)

    def call(
        self,
        count: int,
        seconds: float = 0.1,
        error: Exception | None = None,
        size: int = 1000,
    ) -> None:
        slots = [self.concurrency.slot("getEvents") for _ in range(count)]
        entered = [(slot, slot.__enter__()) for slot in slots]
        self.now += seconds
        for slot, call in entered:
            if error is None:
                self.concurrency.answered(call, size)
                slot.__exit__(None, None, None)
            else:
                assert not slot.__exit__(type(error), error, None)

    def rounds(self, count: int, **how: Any) -> None:
        """Make as many concurrent calls as are allowed, `count` times."""
        for _ in range(count):
            self.call(self.concurrency.limit, **how)
