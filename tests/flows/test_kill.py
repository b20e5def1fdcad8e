"""A run that is killed, or told to stop, loses nothing but the batches in its hands."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prefect.settings import PREFECT_API_URL
from sqlalchemy import Engine, text

from sorobanflow.devnet import Chain, DevnetServer, Generator, Recording, parse_faults
from sorobanflow.store.coverage import read_coverage
from tests.flows.flow_server import FlowProcess, FlowServer, open_flow_server
from tests.integration.database_server import wait_until_blocked

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Blocks = Callable[[str], dict[str, str]]
RecordingPath = Callable[[str], Path]
KILLS_PER_ROUND = 3
#: Seconds in which a run that is told to stop has to be gone.
LEAVE_S = 10


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flows") / "log"


@pytest.fixture(scope="module")
def flows(prefect_server: None, log: Path) -> Iterator[FlowServer]:
    with open_flow_server(PREFECT_API_URL.value() or "", log) as server:
        yield server


def _chain(flow: str, recording_path: RecordingPath) -> tuple[Chain, dict[str, Any]]:
    """A chain, and the parameters that index all of it in many batches."""
    if flow == "index":
        return Chain(Generator(seed=21), closed=60), {"start_ledger": 1, "batch_size": 60}
    chain = Chain(Recording(recording_path("pubnet-63092990")))
    first, last = chain.window()
    quarter = -(-(last - first + 1) // 4)
    return chain, {"start_ledger": first, "end_ledger": last, "chunk_ledgers": quarter}


def _forget(engine: Engine) -> None:
    """Leave a database as new, without tables."""
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def _signal_after(process: FlowProcess, wait_s: float, number: signal.Signals) -> tuple[int, float]:
    """Signal a run after a while; gives its exit code and how long it took to be gone."""
    time.sleep(wait_s)
    with suppress(ProcessLookupError):
        process.signal(number)
    began = time.monotonic()
    return process.wait(), time.monotonic() - began


@pytest.mark.parametrize("flow", ["index", "backfill"])
@pytest.mark.parametrize(
    ("number", "rounds"),
    [
        (signal.SIGKILL, 2),
        (signal.SIGTERM, 1),
        pytest.param(signal.SIGKILL, 34, marks=pytest.mark.long),
    ],
)
def test_run_ended_at_random_instants_is_finished_by_the_next_one(
    flow: str,
    number: signal.Signals,
    rounds: int,
    flows: FlowServer,
    save_blocks: Blocks,
    recording_path: RecordingPath,
    engine: Engine,
    checksums: Checksums,
) -> None:
    chain, named = _chain(flow, recording_path)
    with DevnetServer(chain, latency_s=0.03) as server:
        parameters = named | save_blocks(server.url)
        _forget(engine)
        began = time.monotonic()
        flows.run(flow, parameters)
        whole_s = time.monotonic() - began
        expected = checksums(engine)
        assert read_coverage(engine, "all").covered == (chain.window(),)
        ends: list[tuple[float, int]] = []
        for _ in range(rounds):
            _forget(engine)
            for _ in range(KILLS_PER_ROUND):
                wait_s = random.uniform(0, whole_s)
                process = flows.start(flow, parameters)
                code, leaving_s = _signal_after(process, wait_s, number)
                ends.append((wait_s, code))
                assert leaving_s < LEAVE_S, ends
            flows.run(flow, parameters)
            assert checksums(engine) == expected, ends
    assert sum(code != 0 for _, code in ends) >= len(ends) / 3, ends


@pytest.mark.parametrize("flow", ["index", "backfill"])
def test_run_told_to_stop_does_not_wait_for_a_node_that_does_not_answer(
    flow: str, flows: FlowServer, save_blocks: Blocks, engine: Engine, recording_path: RecordingPath
) -> None:
    chain, named = _chain(flow, recording_path)
    with DevnetServer(chain, faults=parse_faults("getTransactions:*=slow/60")) as server:
        process = flows.start(flow, named | save_blocks(server.url))
        while not server.calls.get("getTransactions"):
            assert not process.ended
            time.sleep(0.05)
        code, leaving_s = _signal_after(process, 0, signal.SIGTERM)
    assert code != 0
    assert leaving_s < LEAVE_S


@pytest.mark.parametrize("flow", ["index", "backfill"])
def test_run_told_to_stop_rolls_back_what_the_database_does_not_finish(
    flow: str,
    flows: FlowServer,
    log: Path,
    save_blocks: Blocks,
    engine: Engine,
    database_url: str,
    recording_path: RecordingPath,
) -> None:
    chain, named = _chain(flow, recording_path)
    with (
        DevnetServer(chain) as server,
        psycopg.connect(database_url) as holder,
    ):
        holder.execute("LOCK TABLE events")
        process = flows.start(flow, named | save_blocks(server.url))
        wait_until_blocked(database_url)
        said = log.stat().st_size
        code, leaving_s = _signal_after(process, 0, signal.SIGTERM)
        assert code != 0
        assert leaving_s < LEAVE_S
        assert b"stopped before anything was indexed" in log.read_bytes()[said:]
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM ledgers")).scalar_one() == 0
