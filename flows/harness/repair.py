"""Repair what an audit found: from the node, and from a data lake what the node no longer has.

Invariant: ledgers become a gap only after the node refused them and the lake, if one is given,
did not bring them. A later repair tries again.
"""

from collections.abc import Sequence
from functools import partial

from prefect import get_run_logger

from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import Indexer
from flows.harness.patience import DATABASE
from sorobanflow.audit.agreement import Failure, remove_future_rows
from sorobanflow.audit.look import Look
from sorobanflow.audit.ranges import repair_order
from sorobanflow.audit.replay import replay
from sorobanflow.audit.summary import AuditSummary
from sorobanflow.errors import LedgerMissingError, SorobanflowError
from sorobanflow.ledgers import LedgerRange, clip, merge, single_ledgers, subtract
from sorobanflow.store.coverage import Coverage


def repair_found(
    indexer: Indexer, summary: AuditSummary, found: Look, lake: str | None
) -> list[Failure]:
    """Index what is missing or differs, and replay the quarantine; returns what failed.

    `lake` names a data-lake block.
    """
    indexer.open_stream()
    window = window_of(indexer)
    gone = LedgerRange(0, window.first - 1)
    lost = clip(found.missing, gone)
    failures = []
    if lake and (wanted := merge([*lost, *clip(found.gaps, gone)])):
        failures += _index_from_lake(indexer, summary, lake, wanted)
        lost = _uncovered(lost, indexer.coverage())
    todo = repair_order(found.missing, found.gaps, found.compared.differences, window)
    if any(one.ledger > window.last for one in found.compared.differences):
        remove = partial(remove_future_rows, indexer.target.engine, window.last)
        indexer.patience.retry(DATABASE, remove)
    failures += _index(indexer, summary, [*lost, *todo])
    if summary.replayed is None:
        failures += _replay(indexer, summary)
    return failures


def window_of(indexer: Indexer) -> LedgerRange:
    """Ask the node for the ledgers that it has now."""
    available = indexer.available()
    return LedgerRange(available.oldest, available.newest)


def _index_from_lake(
    indexer: Indexer, summary: AuditSummary, lake: str, wanted: Sequence[LedgerRange]
) -> list[Failure]:
    with indexer.at_lake(lake) as at_lake:
        try:
            held = at_lake.available(LedgerRange(wanted[0].first, wanted[-1].last))
        except LedgerMissingError as error:  # the node may have others that are to be repaired
            get_run_logger().warning(f"nothing comes from {lake}: {error}")
            return []
        return _index(at_lake, summary, clip(wanted, LedgerRange(held.oldest, held.newest)))


def _uncovered(ranges: Sequence[LedgerRange], coverage: Coverage) -> list[LedgerRange]:
    return [part for one in ranges for part in subtract(one, coverage.covered)]


def _replay(indexer: Indexer, summary: AuditSummary) -> list[Failure]:
    """Decode the quarantine again, and index the ledgers whose state that changes."""
    engine, passphrase = indexer.target.engine, indexer.source.passphrase
    summary.replayed = replay(engine, passphrase, indexer.patience.progressed)
    if indexer.source.event_filter is not None:
        return []
    again = single_ledgers(summary.replayed.ledgers)
    return _index(indexer, summary, clip(again, window_of(indexer)))


def _index(indexer: Indexer, summary: AuditSummary, ranges: Sequence[LedgerRange]) -> list[Failure]:
    """Index ranges in this order, covered or not; one that fails does not stop the others."""
    failures = []
    pipeline = indexer.pipeline(summary.add)
    for ledgers in ranges:
        get_run_logger().info(f"indexing ledgers {ledgers} from {indexer.source.address}")
        try:
            index_or_record_gaps(indexer, pipeline, ledgers, summary.gaps, force=True)
        except SorobanflowError as error:
            failures.append(Failure(ledgers, str(error)))
    return failures
