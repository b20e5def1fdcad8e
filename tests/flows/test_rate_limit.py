"""The rate that workers share through the Prefect server."""

import threading
import time
from collections.abc import Callable
from typing import Any

from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks import StellarRpc
from blocks.rate_limit import shared_rate
from flows.backfill import backfill
from sorobanflow.devnet import Chain, DevnetServer
from tests.ledgers import generated


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


def test_backfill_keeps_to_the_rate_of_the_block(
    save_blocks: Callable[[str], dict[str, str]], serve: Callable[..., DevnetServer]
) -> None:
    server = serve(Chain(generated(), closed=40))
    names = save_blocks(server.url)
    block: Any = StellarRpc.load(names["rpc"])
    block.max_requests_per_s = 5
    block.save(names["rpc"], overwrite=True)
    began = time.monotonic()
    backfill(1, 40, **names, chunk_ledgers=4)
    seconds, calls = time.monotonic() - began, sum(server.calls.values())
    assert 15 < calls <= 5 + 5 * seconds


def test_rate_is_kept_while_the_server_is_away() -> None:
    began = time.monotonic()
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}),
        shared_rate("stellar-rpc-away", 20) as wait,
    ):
        for _ in range(11):
            wait()
    assert 0.5 <= time.monotonic() - began < 10
