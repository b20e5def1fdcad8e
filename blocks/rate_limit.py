"""A rate of calls that all workers share, kept by the Prefect server.

Used only where a limit is set, since a permit costs a request to the Prefect API: 7 ms
(Prefect's own `rate_limit()` took 86 ms and more: it goes through a service thread).
Invariant: no call fails because of that server. While it gives no permits, this process
keeps to the rate by itself.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectAlreadyExists

from blocks.prefect_api import named_api_failures
from sorobanflow.errors import SorobanflowError

MAX_WAIT_S = 1.0  # at a time, so that an interrupted run does not wait long
#: Seconds until a server that failed is asked again; to find out takes up to a minute.
AWAY_S = 300.0

_log = logging.getLogger("prefect.flows")


@contextmanager
def shared_rate(name: str, per_second: float) -> Iterator[Callable[[], None]]:
    """Make or update the global concurrency limit; give the function that waits for a permit.

    All that give the same name share it. The permits of one second may be taken together.
    """
    with ExitStack() as stack:
        rate = _SharedRate(stack, name, per_second)
        rate.ask_server(rate.open)
        yield rate.wait


class _SharedRate:
    """Waits for permits of the server; while it is away, as long as the rate demands."""

    def __init__(self, stack: ExitStack, name: str, per_second: float) -> None:
        self._stack, self._name, self._per_second = stack, name, per_second
        self._client: SyncPrefectClient | None = None
        self._lock = threading.Lock()  # of what follows
        self._ask_at = self._next_call_at = 0.0

    def wait(self) -> None:
        """Wait until a call may be made."""
        if time.monotonic() < self._ask_at or not self.ask_server(self._wait_for_permit):
            self._wait_alone()

    def ask_server(self, ask: Callable[[], object]) -> bool:
        """Ask the server something; False if it is away."""
        try:
            with named_api_failures():
                ask()
        except (SorobanflowError, httpx.HTTPError) as error:
            self._ask_at = time.monotonic() + AWAY_S
            _log.warning("the rate of %s is not shared for %g s: %s", self._name, AWAY_S, error)
            return False
        return True

    def open(self) -> SyncPrefectClient:
        """Connect, and make or update the limit."""
        with self._lock:
            if self._client is None:
                client = self._stack.enter_context(get_client(sync_client=True))
                try:
                    self._save(client)
                except (ObjectAlreadyExists, httpx.HTTPStatusError):  # made just now by another
                    self._save(client)
                self._client = client
            return self._client

    def _save(self, client: SyncPrefectClient) -> None:
        permits = max(1, int(self._per_second))
        client.upsert_global_concurrency_limit_by_name(self._name, permits, self._per_second)

    def _wait_for_permit(self) -> None:
        client = self.open()
        while True:
            try:
                client.increment_concurrency_slots([self._name], 1, "rate_limit")
                return
            except httpx.HTTPStatusError as error:
                if error.response.status_code != httpx.codes.LOCKED:
                    raise
                told = float(error.response.headers["Retry-After"])
            time.sleep(min(told, MAX_WAIT_S))

    def _wait_alone(self) -> None:
        with self._lock:
            at = max(time.monotonic(), self._next_call_at)
            self._next_call_at = at + 1 / self._per_second
        while (left := at - time.monotonic()) > 0:
            time.sleep(min(left, MAX_WAIT_S))
