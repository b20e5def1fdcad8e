"""The fetching of a batch that takes one round of steps, as whole ledgers do."""

from collections.abc import Sequence

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.source import FetchStep


class OneRound:
    """Fetches all ledgers of a batch: how much they hold is not known before. See `BatchFetch`."""

    def __init__(self, ledgers: LedgerRange, steps: Sequence[FetchStep]) -> None:
        self.ledgers = ledgers
        self.rest: LedgerRange | None = None
        self._steps = steps

    def next_steps(self) -> Sequence[FetchStep]:
        """Give the steps, the first time."""
        steps, self._steps = self._steps, []
        return steps
