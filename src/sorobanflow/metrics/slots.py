"""Metrics in files that outlast the run: numbered slots of a folder.

A process takes the lowest free number, where prometheus_client would use its id: so there are as
many files as there were concurrent runs, and counters continue. Invariant: a number belongs to the
process that holds its lock, which the kernel releases when the process ends, however it ends.
"""

import fcntl
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from sorobanflow.metrics.catalogue import COUNTED
from sorobanflow.metrics.sink import Metrics
from sorobanflow.sources.rpc.calls import METHODS

MAX_SLOTS = 1000
#: Initial size of a file: three times what the metrics take.
FILE_BYTES = 2**17
#: The labels that the gauges of running processes have, where they have one.
LABELS_AT_REST: Mapping[str, Sequence[str]] = {
    "rpc_breaker_state": METHODS,
    "pool_connections": ("in_use", "idle"),
}


def open_metrics(folder: Path) -> Metrics:
    """Make a sink that counts into a slot, one per process; OSError if none can be written."""
    number = _take_slot(folder)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # where prometheus_client looks for it
    before = values.ValueClass
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    try:
        return Metrics(CollectorRegistry())
    except Exception:  # damaged files raise various errors
        values.ValueClass = before  # Prefect counts with the same client
        raise


class FolderCollector:
    """Gives the sums of what the processes of a folder counted; it may be created later.

    The gauges of running processes are 0 where none runs, so that a dashboard shows them too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = {spec.full_name.removesuffix("_total") for spec in COUNTED}

    def collect(self) -> Iterable[Metric]:
        """Read the files."""
        if not self._folder.is_dir():
            return _at_rest(set())
        files = self._folder.glob("gauge_live*.db")
        for number in {int(path.stem.split("_")[-1]) for path in files}:
            if (lock := _lock(self._folder, number)) is not None:  # no process has it
                _forget_gauges(self._folder, number)
                os.close(lock)
        sums = MultiProcessCollector(None, str(self._folder))  # type: ignore[no-untyped-call]
        metrics = sums.collect()  # type: ignore[no-untyped-call]
        # Other libraries in these processes may count with the same client.
        ours = [one for one in metrics if one.name.removesuffix("_total") in self._names]
        return [*ours, *_at_rest({one.name for one in ours})]


def _at_rest(counted: Container[str]) -> Iterator[Metric]:
    """Give the gauges of running processes that no process has set."""
    for spec in COUNTED:
        if spec.mode.startswith("live") and spec.full_name not in counted:
            gauge = GaugeMetricFamily(spec.full_name, spec.meaning, labels=spec.labels)
            for value in LABELS_AT_REST.get(spec.name, (None,)):
                gauge.add_metric([] if value is None else [value], 0.0)
            yield gauge


def _take_slot(folder: Path) -> int:
    """Lock the lowest free number until this process ends, and create its files."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {f"gauge_{spec.mode}" if spec.kind == "gauge" else spec.kind for spec in COUNTED}
    for number in range(MAX_SLOTS):
        if _lock(folder, number) is not None:
            _forget_gauges(folder, number)
            for path in (folder / f"{kind}_{number}.db" for kind in kinds):
                if not path.exists():
                    # Written in full: a sparse file on a full disk would kill the process, and a
                    # reader fails on an empty one.
                    new = path.with_suffix(".new")
                    new.write_bytes(bytes(FILE_BYTES))
                    new.rename(path)
            return number
    raise OSError(f"all {MAX_SLOTS} slots of {folder} are taken")


def _lock(folder: Path, number: int) -> int | None:
    """Lock a number; gives the open file descriptor that holds the lock, None: it is taken."""
    descriptor = os.open(folder / f"slot-{number}.lock", os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _forget_gauges(folder: Path, number: int) -> None:
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]
