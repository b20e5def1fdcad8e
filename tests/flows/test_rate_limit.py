"""The rate that workers share through the Prefect server."""

import threading
import time

from prefect import get_client

from blocks.rate_limit import shared_rate


def test_two_users_of_a_limit_together_stay_under_its_rate() -> None:
    made: list[float] = []

    def call() -> None:
        with shared_rate("stellar-rpc-shared", 5) as wait:
            for _ in range(10):
                wait()
                made.append(time.monotonic())

    began = time.monotonic()
    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 20
    # A second's worth at once, the other 15 one after another.
    assert max(made) - began >= 15 / 5 * 0.9


def test_limit_follows_the_setting() -> None:
    for per_second in (2.0, 0.5):
        with shared_rate("stellar-rpc-changed", per_second), get_client(sync_client=True) as client:
            limit = client.read_global_concurrency_limit_by_name("stellar-rpc-changed")
        assert limit.slot_decay_per_second == per_second
