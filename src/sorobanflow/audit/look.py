"""One look at a stream: what is missing, what differs, what is in quarantine, for how long.

Invariant: without findings, the requested ledgers are whole, as far as they were compared.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import Engine

from sorobanflow.audit.agreement import Compared
from sorobanflow.audit.chain import Proof, read_proof
from sorobanflow.audit.files import CheckedFiles, FileFault
from sorobanflow.audit.ranges import repair_order
from sorobanflow.audit.stored import Quarantined, quarantined
from sorobanflow.audit.unlike import Difference
from sorobanflow.ledgers import Anchor, LedgerRange, clip, merge, single_ledgers, subtract
from sorobanflow.pipeline.retention import RetentionClock, seconds_per_ledger
from sorobanflow.store.coverage import read_coverage


class Finding(NamedTuple):
    """One thing that is wrong."""

    kind: str  # missing, gap, differs, chain, anchor, archive, quarantine or failed
    ledgers: LedgerRange
    size: int  # number of ledgers, rows or items
    detail: str


class Look(NamedTuple):
    """What one look at a stream found."""

    missing: list[LedgerRange]  # neither stored nor recorded as a gap
    gaps: list[LedgerRange]  # recorded as a gap
    compared: Compared  # with the node; and what failed in the audit
    proof: Proof  # of the chain, where ledgers came whole
    quarantine: list[Quarantined]
    clock: RetentionClock  # until the first of the repairable ledgers leaves the node
    files: CheckedFiles = CheckedFiles()  # of the archive

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings()

    @property
    def doubtful(self) -> list[LedgerRange]:
        """Ledgers that differ or failed: those to compare again after a repair."""
        return merge([*self.differing, *self.failed])

    @property
    def differing(self) -> list[LedgerRange]:
        """Ledgers whose rows are not the node's."""
        return single_ledgers(one.ledger for one in self.compared.differences)

    @property
    def hiding(self) -> bool:
        """Whether rows of state hide which ledger changed their entry last."""
        return any(one.hiding for one in self.compared.differences)

    @property
    def is_broken(self) -> bool:
        """Whether whole ledgers do not follow each other, or are not of the anchor's chain."""
        return bool(self.proof.breaks) or self.proof.contradicts_anchor

    @property
    def failed(self) -> list[LedgerRange]:
        """Ledgers that could not be compared or repaired."""
        return [one.ledgers for one in self.compared.failures]

    def lines(self, max_findings: int) -> list[str]:
        """Describe the first findings and the retention clock, a line each; none if whole."""
        if self.whole:
            return []
        findings = self.findings()[:max_findings]
        lines = [
            f"{one.kind}: ledgers {one.ledgers}: {one.size:,}: {one.detail}" for one in findings
        ]
        return [*lines, f"retention clock: {self.clock}"]

    def findings(self) -> list[Finding]:
        """Return all findings, by kind and then by ledger."""
        return [
            *(Finding("missing", part, part.size, "not stored") for part in self.missing),
            *(Finding("gap", part, part.size, "recorded as a gap") for part in self.gaps),
            *(_of_difference(one) for one in self.compared.differences),
            *_of_proof(self.proof),
            *(_of_file(one) for one in self.files.faults),
            *(_of_quarantine(one) for one in self.quarantine),
            *(Finding("failed", part, part.size, why) for part, why in self.compared.failures),
        ]


def look_at(
    engine: Engine,
    stream: str,
    requested: LedgerRange,
    window: LedgerRange,
    compared: Compared,
    anchor: Anchor | None = None,
    on_chunk: Callable[[], object] = lambda: None,
    promised_from: int = 0,
    files: CheckedFiles = CheckedFiles(),  # noqa: B008 - immutable
) -> Look:
    """Look at what a stream holds of the requested ledgers; `window` are those of the node.

    Ledgers before `promised_from` are not missing. `on_chunk` is called now and then, as reading
    the chain may take minutes.
    """
    coverage = read_coverage(engine, stream)
    missing, gaps = subtract(requested, coverage.accounted), coverage.gaps_in(requested)
    missing = clip(missing, LedgerRange(promised_from, requested.last))
    repairable = repair_order(missing, gaps, compared.differences, window)
    first = repairable[0].first if repairable else None
    clock = RetentionClock(first, window.first, seconds_per_ledger(engine))
    proof = read_proof(engine, clip(coverage.covered, requested), anchor, on_chunk)
    bad_items = quarantined(engine, requested, stream)
    return Look(missing, gaps, compared, proof, bad_items, clock, files)


def _of_difference(one: Difference) -> Finding:
    counts = [(one.missing, "missing"), (one.surplus, "not on the node"), (one.changed, "changed")]
    what = ", ".join(f"{count:,} {how}" for count, how in counts if count)
    detail = f"{one.table}: {what}; such as {'; '.join(one.examples)}"
    return Finding("differs", LedgerRange(one.ledger, one.ledger), one.rows, detail)


def _of_proof(proof: Proof) -> Iterator[Finding]:
    for ledger in proof.breaks:
        detail = f"it does not follow ledger {ledger - 1}: one of the two is of another chain"
        yield Finding("chain", LedgerRange(ledger, ledger), 1, detail)
    if proof.contradicts_anchor:
        assert proof.anchor is not None
        ledger, trusted = proof.anchor
        detail = f"its hash is {proof.anchored_hash}, that of the trusted anchor {trusted}"
        yield Finding("anchor", LedgerRange(ledger, ledger), 1, detail)


def _of_file(fault: FileFault) -> Finding:
    detail = f"{fault.file.path}: {fault.what}; restore it, or archive the ledgers again"
    return Finding("archive", fault.file.ledgers, 1, detail)


def _of_quarantine(one: Quarantined) -> Finding:
    detail = f"{one.kind}s with {one.error_class}, the oldest since {one.oldest:%Y-%m-%d %H:%M} UTC"
    return Finding("quarantine", one.ledgers, one.items, detail)
