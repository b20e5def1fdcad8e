"""Plan a backfill: which ledgers of a closed range, in which chunks, at what cost.

Pure arithmetic between what was asked for, what the node has and what is
covered. Invariant: the chunks hold each ledger that is to be indexed exactly
once, and none above the node's newest ledger or below its oldest. The flows
`backfill` and `backfill-range` carry a plan out; live indexing has `plan`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.ledgers import LedgerRange, merge, subtract
from sorobanflow.pipeline.summary import RunSummary, ranges_text
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.store.coverage import Coverage
from sorobanflow.texts import duration

MIB = 2**20


class BackfillPlan(NamedTuple):
    """What a backfill does.

    Attributes:
        requested: The ledgers asked for.
        chunks: The ledgers to index; nearest to the node's oldest ledger first,
            since these are lost first.
        covered: Number of requested ledgers that are covered already.
        lost: Ledgers that are not covered and that the node no longer has.
        oldest: The node's oldest ledger.
    """

    requested: LedgerRange
    chunks: list[LedgerRange]
    covered: int
    lost: list[LedgerRange]
    oldest: int

    @property
    def ledgers(self) -> int:
        """Number of ledgers to index."""
        return sum(chunk.size for chunk in self.chunks)


def plan_backfill(
    requested: LedgerRange, node: Health, coverage: Coverage, chunk_ledgers: int, force: bool
) -> BackfillPlan:
    """Plan the chunks of a range; a known gap that the node has after all is work too.

    Args:
        requested: The ledgers asked for.
        node: What the node has.
        coverage: What the stream holds.
        chunk_ledgers: Ledgers per chunk at most.
        force: Plan the covered ledgers as well.

    Raises:
        ConfigurationError: the range is empty, or ends above the node's newest ledger.
    """
    _check(requested, node)
    missing = subtract(requested, coverage.covered)
    lost = [part for one in missing for part in _below(one, node.oldest_ledger)]
    todo = [requested] if force else missing
    here = [part for one in todo for part in _from(one, node.oldest_ledger)]
    return BackfillPlan(
        requested,
        [chunk for part in here for chunk in split(part, chunk_ledgers)],
        requested.size - sum(part.size for part in missing),
        lost,
        node.oldest_ledger,
    )


def split(ledgers: LedgerRange, chunk_ledgers: int) -> list[LedgerRange]:
    """Cut a range into chunks, ascending; only the last may be shorter."""
    firsts = range(ledgers.first, ledgers.last + 1, chunk_ledgers)
    return [LedgerRange(first, min(first + chunk_ledgers - 1, ledgers.last)) for first in firsts]


def intersect(ledgers: LedgerRange, others: Iterable[LedgerRange]) -> list[LedgerRange]:
    """Give the parts of a range that lie in others, ascending."""
    cut = (LedgerRange(max(ledgers.first, o.first), min(ledgers.last, o.last)) for o in others)
    return merge(part for part in cut if part.size > 0)


def refuse_incomplete(failed: Mapping[LedgerRange, str]) -> None:
    """Fail if chunks failed, naming them.

    Raises:
        RetriableError: some of the ledgers were not indexed; the same run again goes on.
    """
    if failed:
        reasons = "; ".join(f"{chunk} ({failed[chunk]})" for chunk in sorted(failed))
        raise RetriableError(
            f"not all of the ledgers of {len(failed)} chunks were indexed: {reasons}. "
            "What was committed stays; the same command again goes on from there"
        )


def _check(requested: LedgerRange, node: Health) -> None:
    first, last = requested
    if first > last:
        raise ConfigurationError(f"start_ledger {first} is above end_ledger {last}; swap them")
    if last > node.latest_ledger:
        raise ConfigurationError(
            f"end_ledger {last} is above the node's newest ledger {node.latest_ledger}; it has "
            f"{node.oldest_ledger} to {node.latest_ledger}, and what comes is for the index flow"
        )


def _below(ledgers: LedgerRange, oldest: int) -> list[LedgerRange]:
    part = LedgerRange(ledgers.first, min(ledgers.last, oldest - 1))
    return [part] if part.size > 0 else []


def _from(ledgers: LedgerRange, oldest: int) -> list[LedgerRange]:
    part = LedgerRange(max(ledgers.first, oldest), ledgers.last)
    return [part] if part.size > 0 else []


class Probe(NamedTuple):
    """What fetching and decoding one batch cost.

    Attributes:
        ledgers: The batch.
        calls: RPC calls that it took.
        size_bytes: Bytes of their answers.
        fetch_s: Seconds until all of it was fetched.
        decode_s: Seconds until its rows were made.
    """

    ledgers: LedgerRange
    calls: int
    size_bytes: int
    fetch_s: float
    decode_s: float


class Estimate(NamedTuple):
    """What a plan will take, if its other ledgers are like the probe's."""

    calls: int
    size_bytes: int
    seconds: float


def estimate(ledgers: int, probe: Probe, at_once: int) -> Estimate:
    """Scale a probe up to a number of ledgers.

    Chunks wait for the node side by side, but decode in one process, one after
    the other: the longer of both is the time.
    """
    scale = ledgers / probe.ledgers.size
    seconds = max(probe.fetch_s / at_once, probe.decode_s) * scale
    return Estimate(round(probe.calls * scale), round(probe.size_bytes * scale), seconds)


@dataclass
class PlanSummary(RunSummary):
    """The summary of a dry run: what a run would do, and what that would take."""

    plan: BackfillPlan | None = None
    probe: Probe | None = None
    at_once: int = 1

    def headline(self) -> str:
        """One sentence: what would be indexed."""
        if self.plan is None:
            return "stopped before there was a plan"
        chunks = len(self.plan.chunks)
        noun = "chunk" if chunks == 1 else "chunks"
        return (
            f"dry run: would index {self.plan.ledgers:,} of the {self.plan.requested.size:,} "
            f"ledgers {self.plan.requested} in {chunks:,} {noun}; nothing was written"
        )

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        if self.plan is None:
            return []
        plan = self.plan
        lines = [
            ("ledgers requested", f"{plan.requested.size:,} ({plan.requested})"),
            ("covered already", f"{plan.covered:,}"),
            (f"outside the node's retention (below {plan.oldest})", _sizes(plan.lost)),
            ("to index", _sizes(plan.chunks)),
        ]
        if plan.chunks:
            largest = max(chunk.size for chunk in plan.chunks)
            lines.append(("chunks", f"{len(plan.chunks):,} of up to {largest:,} ledgers"))
            lines.append(("first chunk", str(plan.chunks[0])))
        return lines + (self._estimated(plan, self.probe) if self.probe else [])

    def _estimated(self, plan: BackfillPlan, probe: Probe) -> list[tuple[str, str]]:
        cost = estimate(plan.ledgers, probe, self.at_once)
        return [
            ("RPC calls, estimated", f"{cost.calls:,}"),
            ("MiB to fetch, estimated", f"{cost.size_bytes / MIB:,.1f}"),
            ("time on this machine, estimated", duration(cost.seconds)),
            (
                f"the estimate is from ledgers {probe.ledgers}, fetched and decoded, not written",
                f"{probe.calls} calls, {probe.size_bytes / MIB:.2f} MiB, "
                f"{probe.fetch_s:.2f} s + {probe.decode_s:.2f} s",
            ),
        ]


@dataclass
class FanOutSummary(RunSummary):
    """The summary of a backfill that other processes carried out, read from coverage.

    Attributes:
        started: Runs that were started, the repeated ones included.
        incomplete: Runs that ended as Incomplete: their own reports say why.
    """

    started: int = 0
    incomplete: int = 0

    @property
    def left_out(self) -> list[str]:
        """What the runs left out, for a person."""
        runs = [f"runs that ended as Incomplete: {self.incomplete}"] if self.incomplete else []
        return super().left_out + runs

    def headline(self) -> str:
        """One sentence: what the runs indexed."""
        if not self.written:
            return super().headline()
        early = "" if self.finished else "stopped early: "
        return (
            f"{early}indexed {self.ledgers:,} ledgers ({ranges_text(self.written)}) "
            f"in {self.started} runs in {self.seconds:.1f} s"
        )

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person; rows are in the runs' own reports."""
        lines = [
            ("ledgers, all runs", f"{self.ledgers:,}"),
            ("runs started", f"{self.started}"),
            ("runs that ended as Incomplete", f"{self.incomplete}"),
        ]
        if self.finished:
            lines.append(("ledgers covered", f"{self.covered_ledgers:,} ({self.coverage})"))
        return lines + [("gap recorded", str(part)) for part in self.gaps]


def _sizes(parts: Sequence[LedgerRange]) -> str:
    count = sum(part.size for part in parts)
    return f"{count:,} ({ranges_text(parts)})" if parts else "0"
