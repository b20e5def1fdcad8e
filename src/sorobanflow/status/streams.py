"""What a stream holds and lacks, against what the node has. Pure arithmetic of ledgers.

The same arithmetic by which `plan` decides what to index, so that a status
calls a hole what the next run will do, and the audit's retention clock.
"""

from datetime import datetime

from sorobanflow.audit.continuity import RetentionClock, clip, continuity
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.work import Work, work_to_do
from sorobanflow.sources.rpc.wire import Health
from sorobanflow.status.database import StreamRow
from sorobanflow.status.model import Gap, Node, Ranges, Stream
from sorobanflow.store.coverage import Coverage


def make_stream(
    row: StreamRow,
    coverage: Coverage,
    newest_gaps: tuple[Gap, ...],
    node: Node | None,
    seconds_per_ledger: float | None,
) -> Stream:
    """Compare a stream with the node.

    Args:
        row: Its row of coverage.
        coverage: What it holds.
        newest_gaps: Its gaps that were recorded last.
        node: None: away, or of another network; then lag, holes and clock stay unknown.
        seconds_per_ledger: Between closes; None: not known.
    """
    end = coverage.covered[-1].last if coverage.covered else None
    work = _work(row.indexed_from, node, coverage)
    oldest_missing = work.todo[0].first if work.todo else None
    clock = RetentionClock(oldest_missing, node.oldest_ledger if node else 0, seconds_per_ledger)
    lag = _lag(row.indexed_from, end, node)
    return Stream(
        row.name,
        row.filter,
        row.indexed_from,
        Ranges.last_of(coverage.covered),
        end,
        row.advanced_at,
        lag,
        _lag_s(lag, row.closed_at, node, seconds_per_ledger),
        Ranges.first_of(_up_to(end, work.todo)),
        Ranges.first_of(work.lost),
        Ranges.last_of(coverage.gaps),
        Ranges.first_of(_at_node(coverage, node)),
        newest_gaps,
        oldest_missing,
        clock.seconds_left,
    )


def _work(indexed_from: int | None, node: Node | None, coverage: Coverage) -> Work:
    if indexed_from is None or node is None:
        return Work([], [])
    return work_to_do(indexed_from, Health(node.latest_ledger, node.oldest_ledger), coverage)


def _lag(indexed_from: int | None, end: int | None, node: Node | None) -> int | None:
    if indexed_from is None or node is None:
        return None
    return node.latest_ledger - (indexed_from - 1 if end is None else end)


def _lag_s(
    lag: int | None, closed_at: datetime | None, node: Node | None, pace: float | None
) -> float | None:
    if lag is None or lag <= 0:
        return None if lag is None else 0.0
    if closed_at and node and node.latest_closed_at:
        return (node.latest_closed_at - closed_at).total_seconds()
    return None if pace is None else lag * pace


def _up_to(end: int | None, parts: list[LedgerRange]) -> list[LedgerRange]:
    return [] if end is None else clip(parts, LedgerRange(0, end))


def _at_node(coverage: Coverage, node: Node | None) -> list[LedgerRange]:
    if node is None:
        return []
    return continuity(LedgerRange(node.oldest_ledger, node.latest_ledger), coverage).gaps
