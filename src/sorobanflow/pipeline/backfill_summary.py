"""What a backfill did or would do, for the terminal and the UI: `RunSummary` for its variants."""

from dataclasses import dataclass

from sorobanflow.ledgers import ranges_text, sized_ranges_text
from sorobanflow.pipeline.backfill import BackfillPlan
from sorobanflow.pipeline.probe import Probe
from sorobanflow.pipeline.summary import Lines, RunSummary
from sorobanflow.texts import count, duration

MIB = 2**20


@dataclass
class PlanSummary(RunSummary):
    """The summary of a dry run: what a run would do, and what that would take."""

    plan: BackfillPlan | None = None  # until it is made
    probe: Probe | None = None  # None: there is nothing to index
    concurrency: int = 1  # chunks that a run works on at the same time

    def headline(self) -> str:
        """One sentence: what would be indexed."""
        plan = self.plan
        if plan is None:
            return "stopped before the plan was made"
        return (
            f"dry run: would index {plan.ledgers:,} of the {plan.requested.size:,} ledgers "
            f"{plan.requested} in {count(len(plan.chunks), 'chunk')}; nothing was written"
        )

    def brief(self) -> Lines:
        """All of it."""
        return self.table()

    def table(self) -> Lines:
        """The plan and, if there is anything to index, the estimate."""
        plan = self.plan
        if plan is None:
            return []
        lines = [
            ("ledgers requested", f"{plan.requested.size:,} ({plan.requested})"),
            ("covered already", f"{plan.covered:,}"),
            (f"below the source's oldest ledger {plan.oldest}", sized_ranges_text(plan.lost)),
            ("to index", sized_ranges_text(plan.chunks)),
        ]
        if plan.chunks:
            largest = max(chunk.size for chunk in plan.chunks)
            lines.append(("chunks", f"{len(plan.chunks):,} of up to {largest:,} ledgers"))
            lines.append(("first chunk", str(plan.chunks[0])))
        return lines + (self._estimated(plan, self.probe) if self.probe else [])

    def _estimated(self, plan: BackfillPlan, probe: Probe) -> Lines:
        """Scale the probe up to the plan."""
        scale = plan.ledgers / probe.ledgers.size
        # Chunks wait for the node concurrently, but one process decodes them one after the other.
        seconds = scale * max(probe.fetch_s / self.concurrency, probe.decode_s)
        return [
            ("RPC calls, estimated", f"{scale * probe.calls:,.0f}"),
            ("MiB to fetch, estimated", f"{scale * probe.size_bytes / MIB:,.1f}"),
            ("time on this machine, estimated", duration(seconds)),
            (
                f"the estimate is from ledgers {probe.ledgers}, fetched and decoded, not written",
                f"{probe.calls} calls, {probe.size_bytes / MIB:.2f} MiB, "
                f"{probe.fetch_s:.2f} s + {probe.decode_s:.2f} s",
            ),
        ]


@dataclass
class FanOutSummary(RunSummary):
    """The summary of a backfill whose chunks are runs of their own, read from coverage."""

    started: int = 0  # runs, repeated ones included
    incomplete: int = 0  # runs that ended so; their own summaries say why

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
            f"{early}indexed {count(self.ledgers, 'ledger')} ({ranges_text(self.written)}) "
            f"in {count(self.started, 'run')} in {self.seconds:,.1f} s"
        )

    def brief(self) -> Lines:
        """Health, and what the runs did."""
        return [("health", self.health), *self.table()]

    def table(self) -> Lines:
        """What the runs did; rows are in their own summaries."""
        lines = [
            ("ledgers, all runs", f"{self.ledgers:,}"),
            ("runs started", f"{self.started}"),
            ("runs that ended as Incomplete", f"{self.incomplete}"),
        ]
        if self.finished:
            lines.append(("ledgers covered", f"{self.coverage.count:,} ({self.coverage})"))
        return lines + [("gap recorded", str(part)) for part in self.gaps]
