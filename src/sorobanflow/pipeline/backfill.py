"""Plan a backfill: which ledgers of a closed range, in which chunks, at what cost.

Live indexing has `work`. Invariant: the chunks hold each ledger to index exactly once,
and none below the source's oldest ledger or above its newest.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.ledgers import LAST_LEDGER, LedgerRange, clip, count_ledgers, split, subtract
from sorobanflow.sources.source import Available
from sorobanflow.store.archives import refusal
from sorobanflow.store.coverage import Coverage


class BackfillPlan(NamedTuple):
    """What a backfill does."""

    requested: LedgerRange
    chunks: list[LedgerRange]  # to index, oldest first: a node drops those first
    covered: int  # number of requested ledgers that are covered already
    lost: list[LedgerRange]  # not covered and, as the source says, no longer there
    oldest: int  # the source's oldest ledger

    @property
    def ledgers(self) -> int:
        """Number of ledgers to index."""
        return count_ledgers(self.chunks)


def plan_backfill(
    requested: LedgerRange,
    available: Available,
    coverage: Coverage,
    chunk_ledgers: int,
    force: bool,
) -> BackfillPlan:
    """Plan chunks of at most `chunk_ledgers`; `force`: of the covered ledgers as well.

    A recorded gap that the source has after all is work too, but for dropped ledgers.

    Raises:
        ConfigurationError: the range ends above the source's newest ledger, or rows of ledgers to
            index were dropped.
    """
    available.refuse_above("end_ledger", requested.last)
    _refuse_dropped([requested] if force else subtract(requested, coverage.accounted), coverage)
    missing = subtract(requested, (*coverage.covered, *coverage.dropped))
    todo = [requested] if force else missing
    at_node = clip(todo, LedgerRange(available.oldest, LAST_LEDGER))
    return BackfillPlan(
        requested,
        split(at_node, chunk_ledgers),
        requested.size - count_ledgers(missing),
        clip(missing, LedgerRange(0, available.oldest - 1)),
        available.oldest,
    )


def fail_on_failed_chunks(failed: Mapping[LedgerRange, str]) -> None:
    """Fail if chunks failed; the message names them and the reasons.

    Raises:
        RetriableError: some ledgers were not indexed; the same run again continues.
    """
    if failed:
        reasons = "; ".join(f"{chunk} ({failed[chunk]})" for chunk in sorted(failed))
        raise RetriableError(
            f"{len(failed)} chunks were not indexed completely: {reasons}. "
            "What was committed stays; run the same command again to index the rest"
        )


def _refuse_dropped(wanted: Iterable[LedgerRange], coverage: Coverage) -> None:
    if dropped := [part for one in wanted for part in clip(coverage.dropped, one)]:
        raise ConfigurationError(refusal(dropped))
