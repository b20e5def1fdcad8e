"""The client of a data lake: a store of objects with retries, breaker and limit around it."""

import random
import threading
from collections.abc import Callable
from itertools import islice
from typing import Self, TypeVar

from sorobanflow.records import Hook
from sorobanflow.sources.endpoint.attempts import Attempts
from sorobanflow.sources.endpoint.breaker import BreakerSettings
from sorobanflow.sources.endpoint.concurrency import Concurrency
from sorobanflow.sources.endpoint.retry import RetryPolicy, RetrySettings
from sorobanflow.sources.lake.store import ObjectStore

T = TypeVar("T")

#: The name of all calls, for the metrics and the breaker.
METHOD = "getObject"
MAX_LISTED_KEYS = 10_000


class LakeClient:
    """A store of objects; shared by threads, closed by its `with` block.

    For the errors see `ObjectStore`; `CircuitOpenError` and `ClientStoppedError` come on top.
    """

    def __init__(
        self,
        store: ObjectStore,
        max_workers: int,
        *,
        retry: RetrySettings | None = None,
        breaker: BreakerSettings | None = None,
        hook: Hook | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.max_workers = max_workers
        self._store = store
        self._stopped = threading.Event()
        self._policy = RetryPolicy(retry, sleep=self._sleep, uniform=uniform)
        concurrency = Concurrency(max_workers, hook=hook)
        self._attempts = Attempts((METHOD,), self._policy, breaker, concurrency, hook=hook)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The lake's URL or folder, without secrets."""
        return self._store.address

    @property
    def can_list(self) -> bool:
        """Whether the store can say which keys it has."""
        return self._store.can_list

    @property
    def last_failure(self) -> str:
        """Why the last attempt failed; empty if one has succeeded since."""
        return self._attempts.last_failure

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """Get an object; None if the store says twice that it has none.

        The second time comes after a pause: an overloaded store may say so once.
        """
        data = self._ask(lambda: self._store.get(key, max_bytes))
        if data is None:
            self._policy.pause(1)
            data = self._ask(lambda: self._store.get(key, max_bytes))
        return data

    def exists(self, key: str) -> bool:
        """Ask whether there is an object."""
        return self._ask(lambda: self._store.exists(key))

    def first_after(self, key: str, read: Callable[[str], T | None]) -> T | None:
        """List the keys after one; give what `read` makes of the first that it makes sense of."""

        def search() -> T | None:
            keys = islice(self._store.keys_after(key), MAX_LISTED_KEYS)
            return next((found for one in keys if (found := read(one)) is not None), None)

        return self._ask(search)

    def stop(self) -> None:
        """End calls in progress and waits, and refuse new calls, from any thread."""
        self._stopped.set()
        self._attempts.stop()
        self._store.stop()

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def _ask(self, ask: Callable[[], T]) -> T:
        return self._attempts.retried(
            METHOD, lambda: self._attempts.once(METHOD, ask, lambda answer: answer).value
        )
