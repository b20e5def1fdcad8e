"""Check the files of the archive: are they there, and what their records say?

A file that cannot be asked for, such as one in a bucket without credentials here, is counted and
no finding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sorobanflow.errors import SorobanflowError
from sorobanflow.store.archives import Archived
from sorobanflow.store.places import digest, key_of, open_place


class FileFault(NamedTuple):
    """A file that is missing or another one."""

    file: Archived
    what: str


class CheckedFiles(NamedTuple):
    """How many files were checked and how many could not be, and what is wrong."""

    checked: int = 0
    read: int = 0  # of them, read through
    unreachable: tuple[str, ...] = ()  # their paths, and why
    faults: tuple[FileFault, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person; none where nothing is archived."""
        if not (self.checked or self.unreachable):
            return []
        lines = [("files of the archive", f"{self.checked:,} looked for, {self.read:,} read")]
        if self.unreachable:
            more = f"{len(self.unreachable):,}, such as {self.unreachable[0]}"
            lines.append(("files that cannot be reached", more))
        return lines


def check_files(
    files: Sequence[Archived],
    options: Mapping[str, str],
    *,
    through: bool,
    on_file: Callable[[], object] = lambda: None,
) -> CheckedFiles:
    """Compare size and, with `through`, SHA-256 of each file with its record.

    `options` are obstore's, for buckets.
    """
    checked = CheckedFiles()
    for file in files:
        try:
            fault = _fault(file, options, through)
        except (SorobanflowError, OSError) as error:
            unreachable = (*checked.unreachable, f"{file.path}: {error}")
            checked = checked._replace(unreachable=unreachable)
        else:
            faults = (*checked.faults, FileFault(file, fault)) if fault else checked.faults
            checked = checked._replace(
                checked=checked.checked + 1, read=checked.read + through, faults=faults
            )
        on_file()
    return checked


def _fault(file: Archived, options: Mapping[str, str], through: bool) -> str:
    """Say what is wrong with a file; nothing: the empty text."""
    key = key_of(file.table, file.ledgers)
    place = open_place(file.path.removesuffix(f"/{key}"), options)
    size_bytes = place.size(key)
    if size_bytes is None:
        return "missing"
    if size_bytes != file.bytes:
        return f"{size_bytes:,} bytes, recorded were {file.bytes:,}"
    if through and digest(place.read(key)) != file.sha256:
        return f"its SHA-256 is not the recorded {file.sha256}"
    return ""
