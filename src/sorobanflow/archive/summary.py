"""What a run of the flow archive did, as figures for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sorobanflow.ledgers import LedgerRange, count_ledgers, ranges_text, sized_ranges_text
from sorobanflow.pipeline.summary import Lines
from sorobanflow.store.archives import Archived
from sorobanflow.texts import count, size


@dataclass
class ArchiveSummary:
    """Files written, partitions dropped; filled while the run works."""

    target: str
    files: list[Archived] = field(default_factory=list)
    dropped: list[LedgerRange] = field(default_factory=list)
    dropped_bytes: int = 0
    waiting: Sequence[LedgerRange] = ()

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0, since a run that fails has raised."""
        return 0

    @property
    def archived(self) -> list[LedgerRange]:
        """The ledgers of the files."""
        return sorted({one.ledgers for one in self.files})

    def headline(self) -> str:
        """One sentence: what was archived and dropped."""
        wrote = "nothing to archive"
        if self.files:
            ledgers = ranges_text(self.archived)
            wrote = f"archived ledgers {ledgers} to {count(len(self.files), 'file')}"
        if not self.dropped:
            return wrote
        return f"{wrote}; dropped the rows of ledgers {ranges_text(self.dropped)}"

    def brief(self) -> Lines:
        """All of it."""
        return self.table()

    def table(self) -> Lines:
        """Label and value per line, for a person."""
        rows = sum(one.rows for one in self.files)
        lines = [
            ("target", self.target or "none"),
            ("ledgers archived", sized_ranges_text(self.archived)),
            ("rows", f"{rows:,}"),
            ("size of the files", size(sum(one.bytes for one in self.files))),
            ("ledgers dropped", sized_ranges_text(self.dropped)),
            ("size of what was dropped", size(self.dropped_bytes)),
        ]
        if self.waiting:
            missing = f"{count_ledgers(self.waiting):,} ({ranges_text(self.waiting)})"
            lines.append(("missing, so their partition is not closed", missing))
        return lines
