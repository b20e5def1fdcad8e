"""A rate of calls that all workers share, kept by the Prefect server.

Used only where a limit is set, since a permit costs a request to the Prefect API: 7 ms
(Prefect's own `rate_limit()` took 86 ms and more: it goes through a service thread).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectAlreadyExists

MAX_WAIT_S = 1.0  # at a time, so that an interrupted run does not wait long


@contextmanager
def shared_rate(name: str, per_second: float) -> Iterator[Callable[[], None]]:
    """Make or update the global concurrency limit; give the function that waits for a permit.

    All that give the same name share it. The permits of one second may be taken together.
    """
    with get_client(sync_client=True) as client:
        try:
            _save(client, name, per_second)
        except (ObjectAlreadyExists, httpx.HTTPStatusError):  # made by another worker just now
            _save(client, name, per_second)

        def wait() -> None:
            while True:
                try:
                    client.increment_concurrency_slots([name], 1, "rate_limit")
                    return
                except httpx.HTTPStatusError as error:
                    if error.response.status_code != httpx.codes.LOCKED:
                        raise
                    told = float(error.response.headers["Retry-After"])
                time.sleep(min(told, MAX_WAIT_S))

        yield wait


def _save(client: SyncPrefectClient, name: str, per_second: float) -> None:
    client.upsert_global_concurrency_limit_by_name(name, max(1, int(per_second)), per_second)
