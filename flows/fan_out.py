"""Fan a backfill out: a run of the deployment `backfill-range` per chunk, on any worker.

Who works on them is Prefect's matter; whether a chunk is done is what coverage
says. A run whose worker was killed stays "Running" in Prefect for ever, so one
that neither commits nor changes its state for a while is marked as crashed, and
its chunk is started again. Should it live after all, both write the same rows.
A backfill that is itself run by a worker keeps a place on it while it waits.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from prefect import get_client, get_run_logger
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Crashed

from flows.indexer import Indexer, Settings
from flows.progress import Progress
from flows.watch import Watch, chunk_parameters, missing
from sorobanflow.backfill import FanOutSummary
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.coverage import Coverage

DEPLOYMENT = "backfill-range/backfill-range"
POLL_S = 1.0
#: Runs of a chunk that may die in a row without having committed anything.
FRUITLESS_RUNS = 3


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
    """

    def __init__(
        self, indexer: Indexer, settings: Settings, summary: FanOutSummary, stall_s: float
    ) -> None:
        self._indexer = indexer
        self._parameters = chunk_parameters(settings)
        self._summary = summary
        self._stall_s = stall_s
        self._todo: deque[tuple[LedgerRange, int]] = deque()
        self._running: list[_Run] = []
        self._failed: dict[LedgerRange, str] = {}

    def run(self, chunks: Sequence[LedgerRange], progress: Progress) -> dict[LedgerRange, str]:
        """Have the chunks indexed; gives those that failed, and why.

        Raises:
            ConfigurationError: the deployment is not there.
        """
        watch = Watch(self._indexer, self._summary, chunks)
        with get_client(sync_client=True) as client:
            at_once = _limit(client) or len(chunks)
            self._todo.extend((chunk, 0) for chunk in chunks)
            try:
                while self._todo or self._running:
                    while self._todo and len(self._running) < at_once:
                        self._start(*self._todo.popleft(), watch.coverage())
                    time.sleep(POLL_S)
                    coverage = watch.look()
                    self._running = [
                        run for run in self._running if self._goes_on(client, run, coverage)
                    ]
                    progress.show(self._summary.ledgers)
            finally:
                for run in self._running:  # left behind by an interrupt
                    client.set_flow_run_state(run.id, Cancelling())
        watch.close()
        return self._failed

    def _start(self, chunk: LedgerRange, fruitless: int, coverage: Coverage) -> None:
        parameters = {"start_ledger": chunk.first, "end_ledger": chunk.last, **self._parameters}
        flow_run = cast(FlowRun, run_deployment(DEPLOYMENT, parameters=parameters, timeout=0))
        self._summary.started += 1
        run = _Run(chunk, fruitless, missing(chunk, coverage), flow_run.id, time.monotonic())
        self._running.append(run)

    def _goes_on(self, client: SyncPrefectClient, run: _Run, coverage: Coverage) -> bool:
        """Look after a run; whether it is to be looked after again."""
        state = client.read_flow_run(run.id).state
        assert state is not None
        left = missing(run.chunk, coverage)
        if state.is_final():
            self._ended(run, state, left)
            return False
        if run.seen != (state.id, left) or state.is_scheduled():  # nobody has taken it yet
            run.seen, run.seen_at = (state.id, left), time.monotonic()
        if time.monotonic() - run.seen_at < self._stall_s:
            return True
        died: State[Any] = Crashed(message=f"no sign of life for {self._stall_s:g} s")
        client.set_flow_run_state(run.id, died)
        self._ended(run, died, left)
        return False

    def _ended(self, run: _Run, state: State[Any], left: int) -> None:
        self._summary.incomplete += state.name == "Incomplete"
        if state.is_completed() or not left:
            return
        fruitless = run.fruitless + 1 if left == run.missing else 0
        if state.is_crashed() and fruitless < FRUITLESS_RUNS:
            get_run_logger().warning(f"the run of chunk {run.chunk} died; it is started again")
            self._todo.appendleft((run.chunk, fruitless))
        else:
            self._failed[run.chunk] = f"{state.name}: {state.message}"


def _limit(client: SyncPrefectClient) -> int | None:
    """Give the deployment's concurrency limit: more would wait in Prefect half a minute each."""
    try:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        raise ConfigurationError(
            f"there is no deployment {DEPLOYMENT}; make it with `prefect --no-prompt deploy --all`"
        ) from None
    limit = deployment.global_concurrency_limit
    return limit.limit if limit else None
