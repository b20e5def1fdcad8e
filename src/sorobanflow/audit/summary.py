"""What an audit found and what it left, as figures for a person."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from sorobanflow.audit.files import CheckedFiles
from sorobanflow.audit.look import Look
from sorobanflow.audit.replay import ReplayResult
from sorobanflow.audit.shapes import Recognition
from sorobanflow.ledgers import Anchor, LedgerRange, sized_ranges_text
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.texts import markdown_text


@dataclass
class AuditSummary(RunSummary):
    """The summary of an audit; the counts of `RunSummary` are those of its repair."""

    stream: str = ""
    anchor: Anchor | None = None  # a ledger's hash that is trusted
    requested: LedgerRange | None = None  # that are audited
    promised_from: int = 0  # of these, the stream should hold all from here on
    dropped: Sequence[LedgerRange] = ()  # of these, those whose rows are in files only
    comparable: int = 0  # number of these that are covered and that the node still has
    files: CheckedFiles = field(default_factory=CheckedFiles)  # of the archive
    found: Look | None = None  # the first look
    left: Look | None = None  # after the repair, if anything was repaired
    recognition: Recognition | None = None
    replayed: ReplayResult | None = None  # what became of the quarantine, if it was replayed

    @property
    def last(self) -> Look | None:
        """The last look; None before the end of the audit."""
        return (self.left or self.found) if self.finished else None

    @property
    def healthy(self) -> bool:
        """Whether the requested ledgers are whole now, as far as they were compared."""
        return self.last is not None and self.last.whole

    @property
    def complete(self) -> bool:
        """Whether nothing is left but gaps and quarantine of earlier runs.

        The runs that recorded those have failed for them; no later audit fails again.
        """
        last = self.last
        if last is None or last.missing or last.doubtful or last.is_broken or last.files.faults:
            return False
        return super().complete

    @property
    def seconds_left(self) -> float | None:
        """The retention clock of the first look, in seconds."""
        return self.found.clock.seconds_left if self.found else None

    def headline(self) -> str:
        """One sentence: is the stream whole?"""
        if self.found is None or self.last is None:
            return "stopped before the end of the audit"
        where = f"stream {self.stream}, ledgers {self.requested}"
        if not self.last.whole:
            return f"{where}: not whole: {_short(self.last)}"
        if self.found.whole:
            return f"{where}: whole; {self.found.compared.ledgers:,} compared with the node"
        return f"{where}: whole again, after {_short(self.found)}"

    def brief(self) -> list[tuple[str, str]]:
        """What was found and what is left, without what is none."""
        return [line for line in self.table() if line[1] not in ("none", "0")]

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        if self.found is None:
            return super().table()
        compared = f"{self.found.compared.ledgers:,} of {self.comparable:,} that it still has"
        lines = [("ledgers compared with the node", compared)]
        for name, look in (("found", self.found), ("left", self.left)):
            if look is not None:
                figures = [*_figures(look), *_rows_by_table(look)]
                lines += [(f"{name}: {label}", value) for label, value in figures]
        lines += (self.left or self.found).proof.lines()
        lines += self.files.lines()
        if self.dropped:
            text = f"{sized_ranges_text(self.dropped)}: their rows are in files only"
            lines.append(("ledgers not compared", text))
        lines.append(("retention clock", str(self.found.clock)))
        if self.recognition:
            lines += _recognition_lines(self.recognition)
        if self.replayed:
            stored, bad, _ = self.replayed
            lines.append(("quarantine replayed", f"{stored:,} stored, {bad:,} still bad"))
        return lines + (super().table() if self.left else [])

    def finding_rows(self) -> list[dict[str, str | int]]:
        """Return a row per finding, by look and kind."""
        return [
            {
                "when": name,
                "finding": one.kind,
                "ledgers": str(one.ledgers),
                "count": one.size,
                "detail": one.detail,
            }
            for name, look in (("found", self.found), ("left", self.left))
            if look is not None
            for one in look.findings()
        ]

    def findings_markdown(self, max_per_kind: int) -> str:
        """List the findings by look and kind; of many, the first ones and how many more."""
        if self.found is None:
            return "The audit stopped before it found out anything."
        lines = []
        by_kind = itemgetter("when", "finding")
        for (when, kind), group in groupby(self.finding_rows(), by_kind):
            rows = list(group)
            lines += ["", f"### {when}: {kind} ({len(rows):,})", ""]
            lines += [
                f"- **{row['ledgers']}**: {markdown_text(str(row['detail']))}"
                for row in rows[:max_per_kind]
            ]
            if (more := len(rows) - max_per_kind) > 0:
                lines.append(f"- and {more:,} more")
        return "\n".join(lines).strip() or self._all_well()

    def _all_well(self) -> str:
        assert self.found is not None
        return (
            f"All is well: of ledgers {self.requested} none is missing, recorded as a gap or in "
            f"quarantine, and the {self.found.compared.ledgers:,} that were compared agree with "
            "the node."
        )


def _figures(look: Look) -> list[tuple[str, str]]:
    lines = [
        ("missing", sized_ranges_text(look.missing)),
        ("recorded as gaps", sized_ranges_text(look.gaps)),
        ("differ from the node", sized_ranges_text(look.differing)),
        ("items in quarantine", f"{sum(one.items for one in look.quarantine):,}"),
    ]
    if look.proof.breaks:
        lines.append(("breaks of the chain", f"{len(look.proof.breaks):,}"))
    if look.proof.contradicts_anchor:
        lines.append(("ledgers that are not the anchor", "1"))
    if look.files.faults:
        lines.append(("files of the archive that are wrong", f"{len(look.files.faults):,}"))
    if look.failed:
        lines.append(("not compared or not repaired", sized_ranges_text(look.failed)))
    return lines


def _rows_by_table(look: Look) -> list[tuple[str, str]]:
    """Count the rows that differ, by table."""
    rows = Counter[str]()
    for one in look.compared.differences:
        rows[one.table] += one.rows
    return [(f"rows of {table} that differ", f"{count:,}") for table, count in rows.items()]


def _short(look: Look) -> str:
    """Describe the findings in one line."""
    return ", ".join(f"{label} {value}" for label, value in _figures(look) if value != "0")


def _recognition_lines(recognition: Recognition) -> list[tuple[str, str]]:
    shapes, events, new, named = recognition
    return [
        (
            "event shapes that are not decoded",
            f"{shapes:,} ({events:,} events, which are stored), {new:,} new",
        ),
        *((f"new: {one.shape}", f"{one.events:,} of {one.contract_id}") for one in named),
    ]
