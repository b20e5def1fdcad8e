"""A run that is killed at any instant loses nothing but the batches in its hands."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from prefect.settings import PREFECT_API_URL
from sqlalchemy import Engine, text

from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, Generator, parse_faults
from sorobanflow.store.coverage import read_coverage

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
LEDGERS = 60


def _start_index(blocks: dict[str, str]) -> "subprocess.Popen[bytes]":
    parameters = [f"{name}={value}" for name, value in blocks.items()]
    command = [sys.executable, "-m", "flows.index", "start_ledger=1", "batch_size=60", *parameters]
    environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def _wait_for_ledgers(engine: Engine, count: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while read_coverage(engine, "all").count < count:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.01)


@pytest.mark.parametrize("kill_signal", [signal.SIGKILL, signal.SIGTERM])
def test_killed_run_is_finished_by_the_next_one(
    kill_signal: signal.Signals,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    checksums: Checksums,
) -> None:
    with DevnetServer(Chain(Generator(seed=21), closed=LEDGERS), latency_s=0.03) as server:
        blocks = save_blocks(server.url)
        for count in (1, 20):
            process = _start_index(blocks)
            _wait_for_ledgers(engine, count, process)
            process.send_signal(kill_signal)
            process.communicate(timeout=30)
            assert read_coverage(engine, "all").count < LEDGERS
        index(**blocks)
        assert read_coverage(engine, "all").covered == ((1, LEDGERS),)
        halves = checksums(engine)
        with engine.begin() as connection:
            names = ", ".join(name for name in halves if name != "network")
            connection.execute(text(f"TRUNCATE {names}"))
        index(**blocks, start_ledger=1)
    assert checksums(engine) == halves


def test_interrupted_run_does_not_wait_for_a_node_that_does_not_answer(
    save_blocks: Callable[[str], dict[str, str]],
) -> None:
    chain = Chain(Generator(seed=22), closed=5)
    with DevnetServer(chain, faults=parse_faults("getTransactions:*=slow/60")) as server:
        process = _start_index(save_blocks(server.url))
        while not server.calls.get("getTransactions"):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.communicate(timeout=60)
    assert time.monotonic() - began < 10
