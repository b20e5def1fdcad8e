"""What the flows that index have in common besides the pipeline: lost ledgers, final states.

A ledger that leaves the node before it was indexed is named in `gaps`, and the
run goes on to its end. A run that left something out then ends as `Incomplete`,
which is of Prefect's type FAILED: red in the UI, a reason for an automation, and
told from a fault by its name. Only what this run left out counts: a gap that an
earlier one recorded makes no later one fail.
"""

import time
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.harness.indexer import Indexer
from sorobanflow.errors import LedgerOutsideRetentionError, SorobanflowError
from sorobanflow.ledgers import LedgerRange, subtract
from sorobanflow.pipeline.pipeline import Pipeline
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.records import GapRecorded, report
from sorobanflow.store.coverage import read_coverage, record_gap

POLL_S = 1.0
#: How often a run looks again when one answer says that a ledger is there, and another not.
LOOKS_AT_EDGE = 3


#: Name of the state of a run that came to its end and left something out.
INCOMPLETE = "Incomplete"


class IncompleteError(SorobanflowError):
    """A run came to its end and left something out; calling its flow raises this.

    Args:
        summary: What the run did, and left out.
    """

    def __init__(self, summary: RunSummary) -> None:
        super().__init__(summary)
        self.summary = summary

    def __str__(self) -> str:
        return "; ".join([self.summary.headline(), *self.summary.left_out])


def final_state(summary: RunSummary) -> State[Any]:
    """Say in the run's state whether something is missing."""
    if summary.complete:
        return Completed(message=summary.headline(), data=summary)
    error = IncompleteError(summary)
    return Failed(name=INCOMPLETE, message=str(error), data=error)


def record_lost(indexer: Indexer, ledgers: LedgerRange, oldest: int) -> list[LedgerRange]:
    """Write down what the node no longer has; gives what is new of it."""
    reason = f"the node's oldest ledger was {oldest}"
    gaps = record_gap(indexer.target.engine, indexer.target.stream.name, ledgers, reason)
    for gap in gaps:
        report(indexer.hook, GapRecorded(indexer.target.stream.name, gap))
        get_run_logger().warning(f"ledgers {gap} recorded as a gap: {reason}")
    return gaps


def index_closed_range(
    indexer: Indexer, pipeline: Pipeline, ledgers: LedgerRange, force: bool
) -> list[LedgerRange]:
    """Index what is missing of a range; gives the gaps that it left at the node's edge.

    Args:
        indexer: The run's.
        pipeline: This thread's.
        ledgers: The range; the node has or had all of it.
        force: Index the covered ledgers as well.

    Raises:
        SorobanflowError: a batch could not be fetched; those before it are committed.
    """
    gaps: list[LedgerRange] = []
    looks = 0
    rest = [ledgers]
    while rest:
        try:
            for part in rest if force else _missing(indexer, rest[0]):
                pipeline.run(part)
            return gaps
        except LedgerOutsideRetentionError as error:
            if looks < LOOKS_AT_EDGE and _has(indexer, error.ledger):
                looks += 1
                time.sleep(POLL_S)
                continue
            lost = LedgerRange(rest[0].first, min(ledgers.last, error.oldest - 1))
            gaps += record_lost(indexer, lost, error.oldest)
            rest = subtract(rest[0], [lost])
    return gaps


def _missing(indexer: Indexer, ledgers: LedgerRange) -> list[LedgerRange]:
    # Read as late as can be: live indexing or another run may have been here meanwhile.
    coverage = read_coverage(indexer.target.engine, indexer.target.stream.name)
    return subtract(ledgers, coverage.covered)


def _has(indexer: Indexer, ledger: int) -> bool:
    """Whether the node says that it has the ledger: a replica of it may not."""
    return indexer.source.client.get_health().oldest_ledger <= ledger
