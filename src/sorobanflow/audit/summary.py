"""What an audit found and what it left, as figures a person can read."""

from dataclasses import dataclass
from typing import NamedTuple

from sorobanflow.audit.agreement import Difference
from sorobanflow.audit.continuity import RetentionClock
from sorobanflow.audit.replay import ReplayResult
from sorobanflow.audit.shapes import Recognition
from sorobanflow.audit.stored import Quarantined
from sorobanflow.ledgers import LedgerRange, sized_ranges_text
from sorobanflow.pipeline.summary import RunSummary


class Finding(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: missing, gap, differs, quarantine or failed.
        ledgers: Where.
        size: How many ledgers, ids or items.
        detail: What exactly, for a person.
    """

    kind: str
    ledgers: LedgerRange
    size: int
    detail: str


class Failure(NamedTuple):
    """Ledgers that could not be compared or repaired, and why."""

    ledgers: LedgerRange
    error: str


class Look(NamedTuple):
    """What one look at a stream saw.

    Attributes:
        missing: Ledgers neither stored nor recorded as a gap.
        gaps: Ledgers recorded as a gap.
        compared: Number of ledgers that were compared with the node.
        differences: Ledgers whose rows are not the node's.
        quarantine: Items that could not be decoded.
        failures: Ledgers that could not be repaired or compared.
        clock: How long until the first of the repairable ledgers leaves the node.
    """

    missing: list[LedgerRange]
    gaps: list[LedgerRange]
    compared: int
    differences: list[Difference]
    quarantine: list[Quarantined]
    failures: list[Failure]
    clock: RetentionClock

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, disagrees, is in quarantine, or could not be seen."""
        return not self.findings()

    def findings(self) -> list[Finding]:
        """Give everything found, by kind and then by ledger."""
        return [
            *(Finding("missing", part, part.size, "not stored") for part in self.missing),
            *(Finding("gap", part, part.size, "recorded as a gap") for part in self.gaps),
            *(_of_difference(one) for one in self.differences),
            *(_of_quarantine(one) for one in self.quarantine),
            *(Finding("failed", one.ledgers, one.ledgers.size, one.error) for one in self.failures),
        ]


@dataclass
class AuditSummary(RunSummary):
    """The summary of an audit; the counts of `RunSummary` are those of its repair.

    Attributes:
        stream: The stream that was audited.
        requested: The ledgers that it was to hold.
        comparable: Covered ledgers of these that the node still has.
        found: What the first look saw.
        left: What was left after the repair; None: nothing was to be repaired.
        recognition: The shapes of events that nobody decodes.
        replayed: What became of the quarantine; None: it was not replayed.
    """

    stream: str = ""
    requested: LedgerRange | None = None
    comparable: int = 0
    found: Look | None = None
    left: Look | None = None
    recognition: Recognition | None = None
    replayed: ReplayResult | None = None

    @property
    def healthy(self) -> bool:
        """Whether the requested ledgers are whole now, as far as was looked."""
        last = self.left or self.found
        return self.finished and last is not None and last.whole

    @property
    def complete(self) -> bool:
        """Whether all is left whole but for gaps and quarantine that were there before.

        The run that recorded those has failed already; else no audit would ever pass again.
        """
        last = self.left or self.found
        if not self.finished or last is None:
            return False
        return not (last.missing or last.differences or last.failures) and super().complete

    @property
    def seconds_left(self) -> float | None:
        """The retention clock, in seconds, as the first look saw it."""
        return self.found.clock.seconds_left if self.found else None

    def headline(self) -> str:
        """One sentence: is the stream whole?"""
        if self.found is None or not self.finished:
            return "stopped before the audit was over"
        where = f"stream {self.stream}, ledgers {self.requested}"
        last = self.left or self.found
        if not last.whole:
            return f"{where}: not whole: {_short(last)}"
        if self.found.whole:
            return f"{where}: whole; {self.found.compared:,} compared with the node"
        return f"{where}: whole again, after {_short(self.found)}"

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        if self.found is None:
            return super().table()
        lines = [
            (
                "ledgers compared with the node",
                f"{self.found.compared:,} of {self.comparable:,} that it still has",
            )
        ]
        lines += [(f"found: {label}", value) for label, value in _figures(self.found)]
        if self.left:
            lines += [(f"left: {label}", value) for label, value in _figures(self.left)]
        lines.append(("retention clock", str(self.found.clock)))
        if self.recognition:
            lines += _recognition_lines(self.recognition)
        if self.replayed:
            done, bad, _ = self.replayed
            lines.append(("quarantine replayed", f"{done:,} stored, {bad:,} still bad"))
        return lines + (super().table() if self.left else [])

    def finding_rows(self) -> list[dict[str, str | int]]:
        """Give a row per finding, for the table artifact."""
        looks = [("found", self.found), ("left", self.left)]
        return [
            {
                "when": name,
                "finding": one.kind,
                "ledgers": str(one.ledgers),
                "count": one.size,
                "detail": one.detail,
            }
            for name, look in looks
            if look is not None
            for one in look.findings()
        ]


def _of_difference(one: Difference) -> Finding:
    parts = [
        f"{one.missing:,} missing here" if one.missing else "",
        f"{one.surplus:,} not on the node" if one.surplus else "",
    ]
    what = " and ".join(part for part in parts if part)
    detail = f"{one.kind}s: {what}, such as {', '.join(one.ids)}"
    ledgers = LedgerRange(one.ledger, one.ledger)
    return Finding("differs", ledgers, one.missing + one.surplus, detail)


def _of_quarantine(one: Quarantined) -> Finding:
    detail = f"{one.kind}s with {one.error_class}, the oldest since {one.oldest:%Y-%m-%d %H:%M} UTC"
    return Finding("quarantine", one.ledgers, one.items, detail)


def _figures(look: Look) -> list[tuple[str, str]]:
    differing = sorted({one.ledger for one in look.differences})
    lines = [
        ("missing", sized_ranges_text(look.missing)),
        ("recorded as gaps", sized_ranges_text(look.gaps)),
        (
            "differ from the node",
            sized_ranges_text([LedgerRange(number, number) for number in differing]),
        ),
        ("items in quarantine", f"{sum(one.items for one in look.quarantine):,}"),
    ]
    if look.failures:
        lines.append(
            ("not seen or not repaired", sized_ranges_text([one.ledgers for one in look.failures]))
        )
    return lines


def _short(look: Look) -> str:
    """Name what there is, in one line."""
    return ", ".join(f"{label} {value}" for label, value in _figures(look) if value != "0")


def _recognition_lines(recognition: Recognition) -> list[tuple[str, str]]:
    shapes, events, new, named = recognition
    return [
        ("event shapes that nobody decodes", f"{shapes:,} ({events:,} events), {new:,} new"),
        *((f"new: {one.shape}", f"{one.events:,} of {one.contract_id}") for one in named),
    ]
