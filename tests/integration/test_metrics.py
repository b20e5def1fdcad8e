"""Processes that count into one folder: slots, files that go on, and gauges that do not."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sorobanflow.metrics.catalogue import COUNTED
from sorobanflow.metrics.slots import FolderCollector, open_metrics

#: Counts one call, says so, and stays until its input ends.
COUNT = """
import sys
from pathlib import Path
from prometheus_client import Counter
from sorobanflow.metrics.slots import open_metrics
from sorobanflow.records import BreakerChanged, CallFinished, ConcurrencyChanged
sink = open_metrics(Path(sys.argv[1]))
Counter("somebody_elses", "not ours", registry=None).inc()
sink(CallFinished("getEvents", 0.2, 1000, None))
sink(ConcurrencyChanged(10, 10, None))
if "trip" in sys.argv:
    sink(BreakerChanged("getEvents", "open"))
print("ready", flush=True)
sys.stdin.read()
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process that counts; it is killed with the test."""
    running: list[subprocess.Popen[str]] = []

    def start_one(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", COUNT, str(tmp_path), *words]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        return running[-1]

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


def _slot(process: "subprocess.Popen[str]") -> int:
    """Wait until a process has counted; gives its slot: the kernel knows which file it has open."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    names = [path.resolve().name for path in Path(f"/proc/{process.pid}/fd").iterdir()]
    return next(number for number in (0, 1) if f"slot-{number}.lock" in names)


@pytest.fixture
def value(tmp_path: Path) -> Callable[..., float | None]:
    """Give the value of a metric, all processes together."""
    registry = CollectorRegistry()
    registry.register(FolderCollector(tmp_path))
    return lambda name, **labels: registry.get_sample_value(f"sorobanflow_{name}", labels)


def test_processes_count_together_and_runs_go_on(
    start: Start, value: Callable[..., float | None], tmp_path: Path
) -> None:
    calls = {"method": "getEvents", "outcome": "ok"}
    first, second = start(), start("trip")
    slots = [_slot(first), _slot(second)]
    assert sorted(slots) == [0, 1]
    assert value("rpc_calls_total", **calls) == 2
    assert value("rpc_call_seconds_bucket", method="getEvents", le="0.25") == 2
    assert value("rpc_concurrency_limit") == 20
    assert value("rpc_breaker_state", method="getEvents") == 2
    second.send_signal(signal.SIGKILL)
    second.wait()
    assert value("rpc_concurrency_limit") == 10
    assert value("rpc_breaker_state", method="getEvents") == 0
    third = start()
    assert _slot(third) == slots[1]
    assert value("rpc_calls_total", **calls) == 3
    assert value("rpc_breaker_transitions_total", method="getEvents", to="open") == 1
    assert len(list(tmp_path.glob("counter_*.db"))) == 2


def test_others_metrics_are_left_out(start: Start, tmp_path: Path) -> None:
    _slot(start())
    names = {family.name for family in FolderCollector(tmp_path).collect()}
    assert "sorobanflow_rpc_calls" in names
    assert all(name.startswith("sorobanflow_") for name in names)


def test_gauges_of_processes_are_zero_where_none_has_run(tmp_path: Path) -> None:
    families = {one.name: one for one in FolderCollector(tmp_path / "later").collect()}
    assert families.keys() == {spec.full_name for spec in COUNTED if spec.mode.startswith("live")}
    assert {sample.value for one in families.values() for sample in one.samples} == {0.0}
    states = families["sorobanflow_pool_connections"].samples
    assert [sample.labels for sample in states] == [{"state": "in_use"}, {"state": "idle"}]


def test_open_metrics_refuses_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        open_metrics(tmp_path / "file")
