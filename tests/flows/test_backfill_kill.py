"""A backfill that is killed at random instants ends as one that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from prefect.settings import PREFECT_API_URL
from sqlalchemy import Engine, text

from sorobanflow.devnet import Chain, DevnetServer, Generator, Recording, parse_faults
from sorobanflow.store.coverage import read_coverage

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
KILLS = 3


def _start(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "flows.backfill", *arguments]
    environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def _finish(arguments: Sequence[str]) -> None:
    process = _start(arguments)
    process.communicate(timeout=120)
    assert process.returncode == 0


def _kill_after_progress(engine: Engine, arguments: Sequence[str], wait_s: float) -> int:
    """Start a run and kill it a random while after its first commit; gives what is covered."""
    before = read_coverage(engine, "all").count
    process = _start(arguments)
    deadline = time.monotonic() + 60
    while read_coverage(engine, "all").count == before:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.01)
    time.sleep(wait_s)
    process.kill()
    process.communicate(timeout=30)
    return read_coverage(engine, "all").count


def test_backfill_killed_three_times_ends_as_one_clean_run(
    save_blocks: Callable[[str], dict[str, str]],
    recording_path: Callable[[str], Path],
    engine: Engine,
    checksums: Checksums,
) -> None:
    chain = Chain(Recording(recording_path("applyload-10048")))
    first, last = chain.window()
    with DevnetServer(chain, latency_s=0.01) as server:
        named = {
            "start_ledger": first,
            "end_ledger": last,
            "chunk_ledgers": -(-(last - first + 1) // 4),
            **save_blocks(server.url),
        }
        arguments = [f"{name}={value}" for name, value in named.items()]
        waits = [random.uniform(0, 1.2) for _ in range(KILLS)]
        covered = [_kill_after_progress(engine, arguments, wait_s) for wait_s in waits]
        assert covered == sorted(set(covered)), waits
        assert covered[-1] < chain.window().size, waits
        _finish(arguments)
        assert read_coverage(engine, "all").covered == (chain.window(),)
        killed = checksums(engine)
        with engine.begin() as connection:
            names = ", ".join(name for name in killed if name != "network")
            connection.execute(text(f"TRUNCATE {names}"))
        _finish(arguments)
    assert killed["transactions"][0] == 14_760
    assert checksums(engine) == killed, waits


def test_interrupted_backfill_does_not_wait_for_a_node_that_does_not_answer(
    save_blocks: Callable[[str], dict[str, str]],
) -> None:
    chain = Chain(Generator(seed=53), closed=8)
    with DevnetServer(chain, faults=parse_faults("getTransactions:*=slow/60")) as server:
        named = {"start_ledger": 1, "end_ledger": 8, "chunk_ledgers": 2, **save_blocks(server.url)}
        process = _start([f"{name}={value}" for name, value in named.items()])
        while not server.calls.get("getTransactions"):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.communicate(timeout=60)
    assert time.monotonic() - began < 10
