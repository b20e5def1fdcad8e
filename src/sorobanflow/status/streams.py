"""Compare what a stream holds with what the node has: holes are what `index` fills next."""

from dataclasses import replace

from sorobanflow.ledgers import LedgerRange, clip
from sorobanflow.pipeline.retention import RetentionClock
from sorobanflow.pipeline.work import work_to_do
from sorobanflow.sources.source import Available
from sorobanflow.status.model import Node, Ranges, Stream
from sorobanflow.store.coverage import Coverage


def compared(
    stream: Stream, coverage: Coverage, node: Node | None, seconds_per_ledger: float | None
) -> Stream:
    """Add to a stream what it holds, and what it lacks if a node on its network is given."""
    stream = replace(
        stream,
        covered=Ranges.of(coverage.covered),
        covered_end=coverage.newest,
        gaps=Ranges.of(coverage.gaps),
    )
    if node is None:
        return stream
    window = LedgerRange(node.oldest_ledger, node.latest_ledger)
    stream = replace(stream, gaps_at_node=Ranges.of(coverage.gaps_in(window)))
    if stream.indexed_from is None:
        return stream
    end = stream.indexed_from - 1 if stream.covered_end is None else stream.covered_end
    available = Available(*window)
    work = work_to_do(stream.indexed_from, available, coverage)
    oldest_missing = work.todo[0].first if work.todo else None
    clock = RetentionClock(oldest_missing, node.oldest_ledger, seconds_per_ledger)
    return replace(
        stream,
        lag_ledgers=node.latest_ledger - end,
        lag_s=_lag_s(stream, node, node.latest_ledger - end, seconds_per_ledger),
        holes=Ranges.of(clip(work.todo, LedgerRange(0, stream.covered_end or 0))),
        lost=Ranges.of(work.lost),
        oldest_missing=oldest_missing,
        retention_left_s=clock.seconds_left,
    )


def _lag_s(stream: Stream, node: Node, lag: int, pace: float | None) -> float | None:
    if lag <= 0:
        return 0.0
    if stream.closed_at and node.latest_closed_at:
        return (node.latest_closed_at - stream.closed_at).total_seconds()
    return None if pace is None else lag * pace
