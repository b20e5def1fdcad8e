"""Keep the newest ledger in a file, so that a chain pauses while its devnet is stopped."""

import os
from pathlib import Path

from sorobanflow.errors import ConfigurationError


class TipFile:
    """A file that holds the newest closed ledger as a decimal number.

    Args:
        path: May be missing at first; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: int | None = None

    def read(self) -> int | None:
        """Read the newest ledger of the last run, or None.

        Raises:
            ConfigurationError: the file holds something else.
        """
        try:
            text = self._path.read_text().strip()
        except FileNotFoundError:
            return None
        if not (text.isascii() and text.isdigit()):
            raise ConfigurationError(f"{self._path} holds {text[:40]!r}, expected a ledger number")
        return int(text)

    def write(self, latest: int) -> None:
        """Write the newest ledger, if it has changed."""
        if latest == self._written:
            return
        # The file is replaced as a whole: a killed process leaves the old number or the new one.
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(f"{latest}\n")
        os.replace(new, self._path)
        self._written = latest
