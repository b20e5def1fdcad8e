"""Index ranges whose start the node may have dropped, and record as gaps what it dropped.

Invariant: a gap is recorded only after the source itself refused the ledger, never because
of an answer to getHealth, since each replica behind a load balancer has its own oldest
ledger. If getHealth says that a refused ledger is there, the range is tried again.
"""

import time
from collections.abc import Iterable

from prefect import get_run_logger

from flows.harness.indexer import Indexer
from flows.harness.patience import DATABASE
from sorobanflow.errors import LedgerOutsideRetentionError, RetriableError
from sorobanflow.ledgers import LedgerRange, split, subtract
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

    Nothing of the range is above the node's newest ledger. `force`: index what is covered too,
    and in the stream of everything replace what is stored of it.
    Adds new gaps to `gaps`, also where it fails later.

    Raises:
        SorobanflowError: a batch could not be fetched; those before it are committed.
    """
    retries = 0
    while ledgers.size > 0:
        refusal = _index(indexer, pipeline, ledgers, force)
        if refusal is None:
            return
        # The node may say that it has the ledger although one of its replicas does not.
        if retries < MAX_RETRIES and indexer.health().oldest_ledger <= refusal.ledger:
            retries += 1
            time.sleep(WAIT_S)
            continue
        lost = LedgerRange(ledgers.first, min(ledgers.last, refusal.oldest - 1))
        gaps += _record(indexer, lost, refusal.oldest)
        ledgers = LedgerRange(lost.last + 1, ledgers.last)


def index_known_gaps(indexer: Indexer, pipeline: Pipeline, gaps: Iterable[LedgerRange]) -> None:
    """Index what the source has after all of known gaps; a refusal or a failure ends it.

    What fails now is not waited for, because the ledgers were given up before; the next run
    tries again.
    """
    try:
        for gap in gaps:
            if _index(indexer, pipeline, gap, force=False) is not None:
                return
    except RetriableError as error:
        get_run_logger().warning(f"known gaps are left for the next run: {error}")


def _index(
    indexer: Indexer, pipeline: Pipeline, ledgers: LedgerRange, force: bool
) -> LedgerOutsideRetentionError | None:
    """Index a range; gives the source's refusal if it no longer has a ledger of it."""
    try:
        # Read as late as possible: live indexing or another run may have stored some meanwhile.
        covered = indexer.coverage().covered
        for part in [ledgers] if force else subtract(ledgers, covered):
            if force and not indexer.source.is_filtered:
                _replace(indexer, pipeline, part)
            else:
                pipeline.run(part)
    except LedgerOutsideRetentionError as refusal:
        return refusal
    return None


def _replace(indexer: Indexer, pipeline: Pipeline, ledgers: LedgerRange) -> None:
    """Index a range, and remove what else the database holds of it."""
    for part in split([ledgers], MAX_LEDGERS):
        pipeline.run(part, indexer.claims([part]))


def _record(indexer: Indexer, lost: LedgerRange, oldest: int) -> list[LedgerRange]:
    reason = f"the node's oldest ledger was {oldest}"
    stream = indexer.target.stream.name
    engine = indexer.target.engine
    gaps = indexer.patience.retry(DATABASE, lambda: record_gap(engine, stream, lost, reason))
    indexer.patience.progressed()
    for gap in gaps:
        report(indexer.hook, GapRecorded(stream, gap))
        get_run_logger().warning(f"ledgers {gap} recorded as a gap: {reason}")
    return gaps
