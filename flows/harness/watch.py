"""Watch chunks that other processes index: coverage says what is done of them.

What Prefect says of a run is only why a chunk is not done. `fan_out` has the
work started and decides what becomes of a chunk that failed.
"""

from collections.abc import Sequence
from typing import Any

from flows.harness.indexer import Indexer, Settings
from sorobanflow.ledgers import LedgerRange, merge, subtract
from sorobanflow.pipeline.backfill import FanOutSummary, intersect
from sorobanflow.store.coverage import Coverage, read_coverage


class Watch:
    """Fills a summary from what coverage has gained since the watch began.

    Args:
        indexer: Where coverage is read.
        summary: Is filled.
        chunks: The chunks that are worked on.
    """

    def __init__(
        self, indexer: Indexer, summary: FanOutSummary, chunks: Sequence[LedgerRange]
    ) -> None:
        self._target = indexer.target
        self._summary = summary
        self._chunks = chunks
        self._before = self.coverage()

    def coverage(self) -> Coverage:
        """Read what the stream holds."""
        return read_coverage(self._target.engine, self._target.stream.name)

    def look(self) -> Coverage:
        """Read what the stream holds, and note what is written of the chunks."""
        coverage = self.coverage()
        parts = [part for chunk in self._chunks for part in intersect(chunk, coverage.covered)]
        self._summary.written = merge(parts)
        return coverage

    def close(self) -> Coverage:
        """Look once more, and note the gaps that are new."""
        coverage = self.look()
        gaps = [gap for chunk in self._chunks for gap in intersect(chunk, coverage.gaps)]
        self._summary.gaps += [new for gap in gaps for new in subtract(gap, self._before.gaps)]
        return coverage


def missing(chunk: LedgerRange, coverage: Coverage) -> int:
    """Number of ledgers of a chunk that are not covered."""
    return sum(part.size for part in subtract(chunk, coverage.covered))


def chunk_parameters(settings: Settings) -> dict[str, Any]:
    """Parameters of `backfill_range` besides the chunk: its process loads the same blocks."""
    return {
        "contract_ids": settings.contract_ids,
        "topics": settings.topics,
        "max_workers": settings.max_workers,
        "rpc": settings.rpc,
        "database": settings.database,
    }
