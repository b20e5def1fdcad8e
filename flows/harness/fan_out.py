"""Fan a backfill out: a run of `backfill-range` per chunk, carried out elsewhere.

Who works on them is the carrier's matter; whether a chunk is done is what
coverage says. A run whose process was killed may stay "Running" in Prefect for
ever, so one that neither commits nor changes its state for a while is given up
as crashed, and its chunk is started again. Should it live after all, both write
the same rows.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from prefect import get_client, get_run_logger
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.states import Crashed

from flows.harness.indexer import Indexer, Settings
from flows.harness.outcome import INCOMPLETE
from flows.harness.progress import Progress
from flows.harness.watch import Watch, chunk_parameters, missing
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.backfill import FanOutSummary
from sorobanflow.store.coverage import Coverage

POLL_S = 1.0
#: Runs of a chunk that may die in a row without having committed anything.
FRUITLESS_RUNS = 3


class Carrier(Protocol):
    """Has runs carried out somewhere."""

    def at_once(self) -> float:
        """Runs to be started and not ended at once; inf: all."""

    def start(self, parameters: dict[str, Any]) -> UUID:
        """Start a run with these parameters; gives its id."""

    def state(self, run_id: UUID) -> State[Any]:
        """Give the state of a run, a final one if nobody works on it any more."""

    def give_up(self, run_id: UUID, died: State[Any]) -> None:
        """Put a run that does not get on into this state, and end it if that can be done."""

    def cancel(self, run_id: UUID) -> None:
        """End a run that is not wanted any more."""


OpenCarrier = Callable[[SyncPrefectClient], AbstractContextManager[Carrier]]


@dataclass
class _Run:
    """A run of a chunk: what it began with, and when it was last seen to get on."""

    chunk: LedgerRange
    fruitless: int  # runs before it
    missing: int  # ledgers
    id: UUID
    seen_at: float
    seen: tuple[Any, int] | None = None


class FanOut:
    """Starts runs, watches them, and starts again what died.

    Args:
        indexer: Where coverage is read.
        settings: What the runs index; they read the same blocks.
        summary: Is filled from coverage.
        stall_s: Seconds without a sign of life after which a run counts as dead.
        open_carrier: Gives who carries the runs out, for as long as its context lasts.
    """

    def __init__(
        self,
        indexer: Indexer,
        settings: Settings,
        summary: FanOutSummary,
        stall_s: float,
        open_carrier: OpenCarrier,
    ) -> None:
        self._indexer = indexer
        self._parameters = chunk_parameters(settings)
        self._summary = summary
        self._stall_s = stall_s
        self._open_carrier = open_carrier
        self._todo: deque[tuple[LedgerRange, int]] = deque()
        self._running: list[_Run] = []
        self._failed: dict[LedgerRange, str] = {}

    def run(self, chunks: Sequence[LedgerRange], progress: Progress) -> dict[LedgerRange, str]:
        """Have the chunks indexed; gives those that failed, and why.

        Raises:
            ConfigurationError: who should carry the runs out is not there.
        """
        watch = Watch(self._indexer, self._summary, chunks)
        self._todo.extend((chunk, 0) for chunk in chunks)
        with get_client(sync_client=True) as client, self._open_carrier(client) as carrier:
            try:
                while self._todo or self._running:
                    self._start_more(carrier, watch)
                    time.sleep(POLL_S)
                    coverage = watch.look()
                    self._running = [
                        run for run in self._running if self._goes_on(carrier, run, coverage)
                    ]
                    progress.show(self._summary.ledgers)
            finally:
                for run in self._running:  # left behind by an interrupt
                    carrier.cancel(run.id)
        watch.close()
        return self._failed

    def _start_more(self, carrier: Carrier, watch: Watch) -> None:
        at_once = carrier.at_once() if self._todo else 0
        while self._todo and len(self._running) < at_once:
            self._start(carrier, *self._todo.popleft(), watch.coverage())

    def _start(
        self, carrier: Carrier, chunk: LedgerRange, fruitless: int, coverage: Coverage
    ) -> None:
        parameters = {"start_ledger": chunk.first, "end_ledger": chunk.last, **self._parameters}
        run_id = carrier.start(parameters)
        self._summary.started += 1
        run = _Run(chunk, fruitless, missing(chunk, coverage), run_id, time.monotonic())
        self._running.append(run)

    def _goes_on(self, carrier: Carrier, run: _Run, coverage: Coverage) -> bool:
        """Look after a run; whether it is to be looked after again."""
        state = carrier.state(run.id)
        left = missing(run.chunk, coverage)
        if state.is_final():
            self._ended(run, state, left)
            return False
        if run.seen != (state.id, left) or state.is_scheduled():  # nobody has taken it yet
            run.seen, run.seen_at = (state.id, left), time.monotonic()
        if time.monotonic() - run.seen_at < self._stall_s:
            return True
        died: State[Any] = Crashed(message=f"no sign of life for {self._stall_s:g} s")
        carrier.give_up(run.id, died)
        self._ended(run, died, left)
        return False

    def _ended(self, run: _Run, state: State[Any], left: int) -> None:
        incomplete = state.name == INCOMPLETE
        self._summary.incomplete += incomplete
        if state.is_completed() or incomplete or not left:
            return
        fruitless = run.fruitless + 1 if left == run.missing else 0
        if state.is_crashed() and fruitless < FRUITLESS_RUNS:
            get_run_logger().warning(
                f"the run of chunk {run.chunk} died; it is started again: {state.message}"
            )
            self._todo.appendleft((run.chunk, fruitless))
        else:
            self._failed[run.chunk] = f"{state.name}: {state.message}"


def read_state(client: SyncPrefectClient, run_id: UUID) -> State[Any]:
    """Read what Prefect says of a run."""
    state = client.read_flow_run(run_id).state
    assert state is not None
    return state
