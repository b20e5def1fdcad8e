"""Runs of a schedule take a stream over from each other; runs by hand take no part."""

import re
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from sorobanflow.devnet import Chain, DevnetServer, parse_faults
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.live_streams import current_run
from tests.flows.flow_server import FlowServer
from tests.ledgers import generated

LAST = 60
WAIT_S = 90


def _wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_next_run_takes_over_while_the_one_before_catches_up_or_follows(
    flow_server: FlowServer,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def covered() -> int:
        return read_coverage(engine, "all").count

    chain = Chain(generated(), closed=LAST)
    # Of a few ledgers at once, and slow: the first run is not through when the second one comes.
    slowly = parse_faults("getEvents:*=page/60,getEvents:3-=slow/3")
    with DevnetServer(chain) as server, DevnetServer(chain, faults=slowly) as slow:
        catching_up = {"start_ledger": 1, "batch_size": 30, "max_workers": 1}
        following = {"follow_s": 600}
        blocks = save_blocks(server.url)
        of_slow = {**blocks, "rpc": save_blocks(slow.url)["rpc"]}
        said_before = flow_server.log.stat().st_size
        first = flow_server.start("scheduled-index", catching_up | following | of_slow)
        _wait_until(covered)
        before = current_run(engine, "all")
        second = flow_server.start("scheduled-index", following | blocks)
        assert first.wait(WAIT_S) == 0
        said = flow_server.log.read_bytes()[said_before:].decode()
        assert 0 < int(re.findall(r"indexed (\d+) ledgers", said)[0]) < LAST
        _wait_until(lambda: covered() == LAST)
        assert current_run(engine, "all") not in (None, before)
        by_hand = flow_server.start("index", blocks)
        assert by_hand.wait(WAIT_S) == 0
        assert not second.ended
        third = flow_server.start("scheduled-index", {"follow_s": 3} | blocks)
        assert second.wait(WAIT_S) == 0
        chain.close(1)
        assert third.wait(WAIT_S) == 0
    assert covered() == LAST + 1
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM live_streams")).scalar_one() == 1
