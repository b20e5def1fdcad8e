"""Numbered places in a folder for processes that count: a run goes on where an earlier one ended.

A run is a process of its own, often of seconds, so its counts live in files that
a server reads. prometheus_client keeps files per process id, one more with every
run; here a process takes the lowest free number instead, so there are as many
files as there were runs at once. Invariant: a number belongs to the process that
holds the lock on it, and the kernel ends a lock with its process, however it ends.
"""

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from sorobanflow.metrics.catalogue import COUNTED

SLOTS = 1000
#: Of one file at first; three times what the metrics take.
FILE_BYTES = 2**17


@dataclass(frozen=True)
class Slot:
    """A number in a folder that is this process's own, for as long as it lives."""

    number: int
    lock: IO[str]


def take_slot(folder: Path) -> Slot:
    """Take the lowest free number of a folder, and have its files ready.

    They are written out in full: a file that grows into a full disk would kill the
    process, and one that is seen while it is empty would break who reads it.

    Raises:
        OSError: the folder cannot be made or written, or all numbers are taken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SLOTS):
        if lock := _lock(folder, number):
            _forget(folder, number)  # what a killed process left
            for kind in _file_kinds():
                _prepare(folder / f"{kind}_{number}.db")
            return Slot(number, lock)
    raise OSError(f"all {SLOTS} slots of {folder} are taken")


class FolderCollector:
    """Gives what the processes of a folder have counted, put together; a registry's collector.

    What only holds of processes that live is forgotten with them.

    Args:
        folder: Of the slots; may come later.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = {spec.full_name.removesuffix("_total") for spec in COUNTED}

    def collect(self) -> Iterable[Metric]:
        """Read the files of now."""
        if not self._folder.is_dir():
            return []
        self._forget_dead()
        files = MultiProcessCollector(None, str(self._folder))  # type: ignore[no-untyped-call]
        metrics = files.collect()  # type: ignore[no-untyped-call]
        # Other libraries in these processes may count with the same client.
        return [one for one in metrics if one.name.removesuffix("_total") in self._names]

    def _forget_dead(self) -> None:
        numbers = {path.stem.rpartition("_")[2] for path in self._folder.glob("gauge_live*.db")}
        for number in sorted(map(int, numbers)):
            if lock := _lock(self._folder, number):
                with lock:
                    _forget(self._folder, number)


def _forget(folder: Path, number: int) -> None:
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]


def _lock(folder: Path, number: int) -> IO[str] | None:
    file = (folder / f"slot-{number}.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _prepare(path: Path) -> None:
    if path.exists():
        return
    new = path.with_suffix(".new")
    new.write_bytes(bytes(FILE_BYTES))
    os.replace(new, path)


def _file_kinds() -> set[str]:
    return {spec.kind if spec.kind != "gauge" else f"gauge_{spec.mode}" for spec in COUNTED}
