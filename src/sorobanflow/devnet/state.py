"""The newest ledger, kept in a file, so that a chain pauses while its devnet does not run."""

import os
from pathlib import Path

from sorobanflow.errors import ConfigurationError


class TipFile:
    """A file that holds the newest closed ledger as a decimal number.

    Args:
        path: Need not exist yet; its folder must.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: int | None = None

    def read(self) -> int | None:
        """Give the newest ledger of the last run, or None.

        Raises:
            ConfigurationError: the file holds something else.
        """
        try:
            text = self._path.read_text().strip()
        except FileNotFoundError:
            return None
        if not (text.isascii() and text.isdigit()):
            raise ConfigurationError(f"{self._path} holds {text[:40]!r}; wanted a ledger number")
        return int(text)

    def write(self, latest: int) -> None:
        """Keep the newest ledger; does nothing if it has not changed."""
        if latest == self._written:
            return
        # Replaced whole: a process killed here leaves the old number or the new one.
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(f"{latest}\n")
        os.replace(new, self._path)
        self._written = latest
