"""Audit: is what a stream promises there, and does it agree with the node?

Looks, repairs if asked, and looks again. What the looking means is in
`sorobanflow.audit`; here is what is looked at, in what order it is repaired,
and what a person sees of it.
"""

import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from pydantic import Field

from blocks.documents import DEFAULT_NAME
from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import Indexer, Settings, open_indexer
from flows.harness.outcome import final_state
from flows.harness.parameters import Ledger
from flows.harness.progress import Progress
from flows.harness.run_page import conclude, tag_run
from flows.harness.terminal import run_flow
from sorobanflow.audit.agreement import Comparison, Difference
from sorobanflow.audit.continuity import (
    RetentionClock,
    continuity,
    repair_order,
    requested_range,
)
from sorobanflow.audit.metrics import write_metrics
from sorobanflow.audit.replay import replay
from sorobanflow.audit.sample import Sample, choose, portions
from sorobanflow.audit.shapes import recognize
from sorobanflow.audit.stored import quarantined, seconds_per_ledger
from sorobanflow.audit.summary import AuditSummary, Failure, Look
from sorobanflow.errors import LedgerOutsideRetentionError, SorobanflowError
from sorobanflow.ledgers import LedgerRange, clip, merge
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Coverage, open_stream, read_coverage
from tasks.compare_ledgers import compare_ledgers
from tasks.report import report_findings, report_status

#: Portions that wait for a worker, or for the others to be taken in.
PORTIONS_AT_ONCE = 50
#: Findings that the log names one by one; the artifact names them all.
FINDINGS_IN_LOG = 20


@flow(
    name="audit", flow_run_name="audit", validate_parameters=True, persist_result=False, retries=0
)
def audit(
    start_ledger: Ledger | None = None,
    end_ledger: Ledger | None = None,
    sample: Annotated[int, Field(ge=0)] | Literal["all"] = 20,
    repair: bool = False,
    contract_ids: list[str] | None = None,
    topics: list[list[str]] | None = None,
    metrics_file: str | None = None,
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Find what a stream lacks, and where it differs from the node; mend it if asked.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`. Without `repair`
    it writes only what it remembers of event shapes. With it, it indexes
    missing and differing ledgers, those that the node loses first first;
    records as gaps what the node no longer has; replays the quarantine; looks
    again, and reports what is left. A second run finds what is left still; a
    crash half-way loses the batches in flight. The run ends as Incomplete, and
    in a terminal with exit code 1, if anything is missing (a recorded gap is),
    differs, or is in quarantine.

    Args:
        start_ledger: First ledger that has to be there. Empty: the stream's first.
        end_ledger: Last ledger. Empty: the newest that is covered, and at least
            a minute behind the tip.
        sample: Covered ledgers to compare with the node, evenly spaced over
            those that it still has, the newest included; "all" compares each.
        repair: Mend what was found.
        contract_ids: Audit the stream of these contracts. Empty: of everything.
        topics: Audit the stream of these topics, as they were given to index.
        metrics_file: Write the figures, the retention clock among them, to this
            file, as Prometheus metrics for node_exporter's textfile collector.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    summary = AuditSummary(RpcStats())
    settings = Settings(rpc, database, contract_ids, topics, "auto", None, None)
    try:
        with open_indexer(settings, summary) as indexer:
            tag_run(indexer)
            _Audit(indexer, summary, start_ledger, end_ledger).run(sample, repair)
            report_status("status", indexer.target.engine, indexer.source.client)
        if metrics_file is not None:
            write_metrics(Path(metrics_file), summary)
    finally:
        conclude("audit", summary, f"audit {summary.requested or 'nothing'}")
        report_findings("audit-findings", summary)
    return final_state(summary)


class _Audit:
    """One audit of one stream: looks, repairs, looks again."""

    def __init__(
        self, indexer: Indexer, summary: AuditSummary, start: int | None, end: int | None
    ) -> None:
        self._indexer = indexer
        self._client = indexer.source.client
        self._engine, self._stream = indexer.target.engine, indexer.target.stream
        self._summary = summary
        self._requested = requested_range(start, end, self._client.get_health(), self._coverage())
        summary.stream, summary.requested = self._stream.name, self._requested

    def run(self, sample: Sample, repair: bool) -> None:
        """Audit, and fill the summary."""
        summary = self._summary
        found = summary.found = self._look(self._sampled(sample), [], [])
        if repair and not found.whole:
            with summary.working():
                failures = self._repair(found)
            summary.left = self._look_again(found, failures)
        summary.recognition = recognize(
            self._engine, self._stream, self._indexer.source.event_filter, self._covered()
        )
        summary.finish(self._coverage())

    def _coverage(self) -> Coverage:
        return read_coverage(self._engine, self._stream.name)

    def _covered(self) -> list[LedgerRange]:
        return clip(self._coverage().covered, self._requested)

    def _window(self) -> LedgerRange:
        node = self._client.get_health()
        return LedgerRange(node.oldest_ledger, node.latest_ledger)

    def _sampled(self, sample: Sample) -> list[LedgerRange]:
        """Choose the ledgers to compare, of the covered ones that the node still has."""
        at_node = clip(self._covered(), self._window())
        self._summary.comparable = sum(part.size for part in at_node)
        return choose(at_node, sample)

    def _look(
        self, compare: list[LedgerRange], kept: list[Difference], failures: list[Failure]
    ) -> Look:
        """Look at the stream.

        Args:
            compare: Covered ledgers to compare with the node.
            kept: Differences of an earlier look that cannot be looked at again.
            failures: What failed before this look.
        """
        compared, differences, unseen = self._compare(compare)
        differences = [*kept, *differences]
        missing, gaps = continuity(self._requested, self._coverage())
        window = self._window()
        todo = repair_order(missing, gaps, differences, window)
        first = todo[0].first if todo else None
        clock = RetentionClock(first, window.first, seconds_per_ledger(self._engine))
        in_quarantine = quarantined(self._engine, self._requested, self._stream.name)
        failures = [*failures, *unseen]
        look = Look(missing, gaps, compared, differences, in_quarantine, failures, clock)
        self._tell(look)
        return look

    def _look_again(self, found: Look, failures: list[Failure]) -> Look:
        window = self._window()
        differing = [LedgerRange(one.ledger, one.ledger) for one in found.differences]
        unsure = merge([*differing, *(one.ledgers for one in found.failures)])
        kept = [one for one in found.differences if one.ledger < window.first]
        return self._look(clip(unsure, window), kept, failures)

    def _tell(self, look: Look) -> None:
        logger = get_run_logger()
        if look.whole:
            logger.info(f"stream {self._stream.name} is whole: ledgers {self._requested}")
            return
        for one in look.findings()[:FINDINGS_IN_LOG]:
            logger.warning(f"{one.kind}: ledgers {one.ledgers}: {one.size:,}: {one.detail}")
        logger.warning(f"retention clock: {look.clock}")

    def _compare(self, ledgers: list[LedgerRange]) -> tuple[int, list[Difference], list[Failure]]:
        """Compare ledgers with the node, portions side by side; gives how many could be."""
        compared = 0
        differences: list[Difference] = []
        failures: list[Failure] = []
        progress = Progress("audit-progress", sum(part.size for part in ledgers))
        todo = deque(portions(ledgers))
        while todo:
            at_once = [todo.popleft() for _ in range(min(len(todo), PORTIONS_AT_ONCE))]
            for comparison, future in [self._start(portion) for portion in at_once]:
                portion = comparison.ledgers
                try:
                    future.result()
                    compared += portion.size
                    differences += comparison.differences
                    progress.show(compared, "compared with the node")
                except LedgerOutsideRetentionError as error:
                    # What left the node meanwhile, nobody can compare any more.
                    first = max(error.oldest, portion.first + 1)
                    todo.extend(clip([portion], portion._replace(first=first)))
                except SorobanflowError as error:
                    failures.append(Failure(portion, str(error)))
        progress.close(compared)
        return compared, sorted(differences), failures

    def _start(self, portion: LedgerRange) -> tuple[Comparison, PrefectFuture[Any]]:
        comparison = Comparison(portion, self._indexer.source.event_filter)
        parameters = {"comparison": comparison, "client": self._client, "engine": self._engine}
        return comparison, self._indexer.runner.submit(compare_ledgers, parameters)

    def _repair(self, found: Look) -> list[Failure]:
        """Mend what can be mended; gives what failed."""
        open_stream(self._engine, self._stream)
        window = self._window()
        lost = clip(found.missing, LedgerRange(self._requested.first, window.first - 1))
        failures = self._index(lost)
        failures += self._index(repair_order(found.missing, found.gaps, found.differences, window))
        result = replay(self._engine, self._indexer.source.passphrase, self._tell_replayed)
        self._summary.replayed = result
        if self._indexer.source.event_filter is None:
            again = merge(LedgerRange(ledger, ledger) for ledger in result.ledgers)
            failures += self._index(clip(again, self._window()))
        return failures

    def _index(self, ranges: Sequence[LedgerRange]) -> list[Failure]:
        """Index ranges in this order, covered or not; one that fails does not stop the others."""
        failures: list[Failure] = []
        pipeline = self._indexer.pipeline(self._summary.add)
        for ledgers in ranges:
            get_run_logger().info(f"indexing ledgers {ledgers}")
            try:
                gaps = index_or_record_gaps(self._indexer, pipeline, ledgers, force=True)
                self._summary.gaps += gaps
            except SorobanflowError as error:
                failures.append(Failure(ledgers, str(error)))
        return failures

    def _tell_replayed(self, items: int) -> None:
        get_run_logger().info(f"{items:,} items of the quarantine decoded again")


if __name__ == "__main__":
    sys.exit(run_flow(audit, sys.argv[1:]))
