"""Index ranges of which the source may lack ledgers, and record as gaps what it lacks.

Invariant: a gap is recorded only after the source itself refused the ledger, never because
of an answer to getHealth, since each replica behind a load balancer has its own oldest
ledger. If getHealth says that a refused ledger is there, the range is tried again.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

from prefect import get_run_logger

from flows.harness.indexer import Indexer
from flows.harness.patience import DATABASE
from sorobanflow.errors import LedgerMissingError, LedgerOutsideRetentionError, RetriableError
from sorobanflow.ledgers import LedgerRange, clip, split, subtract
from sorobanflow.pipeline.pipeline import Pipeline
from sorobanflow.records import GapRecorded, report
from sorobanflow.store.claims import MAX_LEDGERS
from sorobanflow.store.coverage import record_gap

#: How often a range is tried again while the node contradicts itself, and the wait before it.
MAX_RETRIES, WAIT_S = 3, 1.0


def index_or_record_gaps(
    indexer: Indexer,
    pipeline: Pipeline,
    ledgers: LedgerRange,
    gaps: list[LedgerRange],
    *,
    force: bool = False,
) -> None:
    """Index what coverage lacks of a range, and record as gaps what the source refuses of it.

    Nothing of the range is above the source's newest ledger. `force`: index what is covered too,
    and in the stream of everything replace what is stored of it.
    Adds new gaps to `gaps`, also where it fails later.

    Raises:
        SorobanflowError: a batch could not be fetched; those before it are committed.
    """
    todo = [ledgers]
    while todo:
        part = todo.pop(0)
        refused = _index_unless_refused(indexer, pipeline, part, force)
        if refused is not None:
            (lost,) = clip([refused.ledgers], part)
            gaps += _record(indexer, lost, refused.reason)
            todo[:0] = subtract(part, [lost])


def index_known_gaps(indexer: Indexer, pipeline: Pipeline, gaps: Iterable[LedgerRange]) -> None:
    """Index what the source has after all of known gaps; a refusal or a failure ends it.

    What fails now is not waited for, because the ledgers were given up before; the next run
    tries again.
    """
    try:
        for gap in gaps:
            _index(indexer, pipeline, gap, force=False)
    except (LedgerMissingError, LedgerOutsideRetentionError):
        return
    except RetriableError as error:
        get_run_logger().warning(f"known gaps are left for the next run: {error}")


def record_lost(
    indexer: Indexer, lost: Iterable[LedgerRange], oldest: int, gaps: list[LedgerRange]
) -> None:
    """Record as gaps what lies below the oldest ledger of a source that was asked for it itself."""
    for ledgers in lost:
        gaps += _record(indexer, ledgers, f"the oldest ledger of the data lake was {oldest}")


class _Refused(NamedTuple):
    """What the source does not have of a range, and why."""

    ledgers: LedgerRange
    reason: str


def _index_unless_refused(
    indexer: Indexer, pipeline: Pipeline, ledgers: LedgerRange, force: bool
) -> _Refused | None:
    """Index a range; gives what the source refused of it, if it did."""
    retries = 0
    while True:
        try:
            _index(indexer, pipeline, ledgers, force)
            return None
        except LedgerMissingError as error:
            return _Refused(
                LedgerRange(error.first, error.last), f"the data lake has no object {error.origin}"
            )
        except LedgerOutsideRetentionError as error:
            # The node may say that it has the ledger although one of its replicas does not.
            if retries == MAX_RETRIES or indexer.available().oldest > error.ledger:
                lost = LedgerRange(ledgers.first, error.oldest - 1)
                return _Refused(lost, f"the node's oldest ledger was {error.oldest}")
        retries += 1
        time.sleep(WAIT_S)


def _index(indexer: Indexer, pipeline: Pipeline, ledgers: LedgerRange, force: bool) -> None:
    """Index a range, what is covered of it only with `force`."""
    # Read as late as possible: live indexing or another run may have stored some meanwhile.
    covered = indexer.coverage().covered
    for part in [ledgers] if force else subtract(ledgers, covered):
        if force and indexer.source.event_filter is None:
            _replace(indexer, pipeline, part)
        else:
            pipeline.run(part)


def _replace(indexer: Indexer, pipeline: Pipeline, ledgers: LedgerRange) -> None:
    """Index a range, and remove what else the database holds of it."""
    for part in split([ledgers], MAX_LEDGERS):
        pipeline.run(part, indexer.claims([part]))


def _record(indexer: Indexer, lost: LedgerRange, reason: str) -> list[LedgerRange]:
    stream = indexer.target.stream.name
    engine = indexer.target.engine
    gaps = indexer.patience.retry(DATABASE, lambda: record_gap(engine, stream, lost, reason))
    indexer.patience.progressed()
    for gap in gaps:
        report(indexer.hook, GapRecorded(stream, gap))
        get_run_logger().warning(f"ledgers {gap} recorded as a gap: {reason}")
    return gaps
