"""A data lake in a folder.

Invariant: only regular files inside of the folder are read, whatever its links point to.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sorobanflow.errors import ConfigurationError, LakeError, RpcUnavailableError

T = TypeVar("T")


class FolderStore:
    """The files of a folder; their paths in it are the keys."""

    can_list = True

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigurationError(f"the data lake {folder} is no folder; set one that exists")
        self._folder = folder.resolve()
        self.address = str(folder)

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """Read a file."""

        def read() -> bytes:
            with open(self._path(key), "rb", opener=_open_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise LakeError(f"{self.address}: {key} is not a regular file; remove it")
                data = file.read(max_bytes + 1)
            if len(data) > max_bytes:
                raise LakeError(f"{self.address}: {key} is larger than {max_bytes} bytes")
            return data

        return self._unless_missing(key, read)

    def exists(self, key: str) -> bool:
        """Look for a file."""
        return self._unless_missing(key, lambda: self._path(key).stat()) is not None

    def keys_after(self, key: str) -> Iterator[str]:
        """List the files of the folder and of the folders in it."""
        partition = key.partition("/")[0]
        for entry in self._list(""):
            if not entry.is_dir():
                names = [entry.name]
            elif entry.name < partition:
                continue
            else:
                names = [f"{entry.name}/{file.name}" for file in self._list(entry.name)]
            yield from (name for name in names if name > key)

    def stop(self) -> None:
        """Do nothing: reading a file ends by itself."""

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _list(self, name: str) -> "list[os.DirEntry[str]]":
        def read() -> "list[os.DirEntry[str]]":
            with os.scandir(self._path(name)) as entries:
                return sorted(entries, key=lambda entry: entry.name)

        return self._unless_missing(name or "the folder", read) or []

    def _path(self, key: str) -> Path:
        path = (self._folder / key).resolve()
        if not path.is_relative_to(self._folder):
            raise LakeError(
                f"{self.address}: {key} is a link that leads out of the folder; put the file there"
            )
        return path

    def _unless_missing(self, key: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (FileNotFoundError, NotADirectoryError):
            if self._folder.is_dir():
                return None
            raise RpcUnavailableError(f"the data lake {self.address} is gone; mount it") from None
        except PermissionError:
            raise LakeError(
                f"{self.address}: {key} may not be read; allow it for the user of this program"
            ) from None
        except OSError as error:
            raise RpcUnavailableError(f"{self.address}: reading {key} failed: {error}") from None


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to would block."""
    return os.open(path, flags | os.O_NONBLOCK)
