"""What the processes of a run use: CPU seconds, resident memory, values over time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

#: Children of this process by a word of their command lines; all others are the flow's.
_CHILDREN = {"devnet": "sorobanflow.devnet", "Prefect server": "prefect server start"}
FLOW, POSTGRES = "flow", "PostgreSQL"
PARTS = (FLOW, POSTGRES, *_CHILDREN)


class Cpu:
    """CPU seconds used since it was made, by part of the run.

    The flow's are those of this process and of the processes that decode for it.

    Args:
        postgres: Data folder of the PostgreSQL.
    """

    def __init__(self, postgres: Path) -> None:
        self._postmaster = postmaster(postgres)
        self._before = self._read()

    def used(self) -> dict[str, float]:
        """Give the seconds per part."""
        return {part: seconds - self._before[part] for part, seconds in self._read().items()}

    def _read(self) -> dict[str, float]:
        seconds = dict.fromkeys(PARTS, 0.0)
        seconds[POSTGRES] = _of_tree(self._postmaster)
        this = psutil.Process()
        seconds[FLOW] = sum(this.cpu_times()[:4])
        for child in this.children():
            seconds[_part_of(child)] += _of_tree(child)
        return seconds


def postmaster(postgres: Path) -> psutil.Process:
    """Give the process of the PostgreSQL with this data folder, whose children are its others."""
    return psutil.Process(int((postgres / "postmaster.pid").read_text().split()[0]))


def resident_mib() -> float:
    """Resident memory of this process and of those that decode for it, MiB."""
    this = psutil.Process()
    decoding = [child for child in this.children(recursive=True) if _part_of(child) == FLOW]
    return sum(_resident(process) for process in [this, *decoding]) / 2**20


def _part_of(process: psutil.Process) -> str:
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return FLOW
    return next((part for part, word in _CHILDREN.items() if word in command), FLOW)


def _of_tree(root: psutil.Process) -> float:
    """CPU seconds of a process, its children and all that they have waited for."""
    return sum(_own(process) for process in [root, *root.children(recursive=True)])


def _own(process: psutil.Process) -> float:
    try:
        # User and system, and both of the children waited for.
        return float(sum(process.cpu_times()[:4]))
    except psutil.Error:
        return 0.0


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


class Sample(NamedTuple):
    """A value and when it was known, monotonic seconds."""

    at: float
    value: float


@contextmanager
def sampled(read: Callable[[], float], every_s: float) -> Iterator[list[Sample]]:
    """Read a value again and again in a thread of its own; keeps each change."""
    samples: list[Sample] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(every_s):
            value = read()
            if not samples or samples[-1].value != value:
                samples.append(Sample(time.monotonic(), value))

    thread = threading.Thread(target=sample, name="sampler")
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
