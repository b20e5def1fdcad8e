"""Fan a backfill out: one run of the deployment `backfill-range` per chunk, on Prefect's workers.

Invariant: coverage says whether a chunk is done; Prefect's state of its run only says why
it is not. The run of a killed process may stay "Running" in Prefect for ever, so a run
that makes no progress for a while is put into the state Crashed, and its chunk is started
again. If the process is alive after all, both runs write the same rows.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, cast
from uuid import UUID

from prefect import get_client, get_run_logger
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Crashed

from flows.harness.indexer import Indexer
from flows.harness.outcome import INCOMPLETE
from flows.harness.patience import PREFECT
from flows.harness.progress import Progress
from flows.harness.sources import Settings
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, clip, count_ledgers, merge, subtract
from sorobanflow.pipeline.backfill_summary import FanOutSummary
from sorobanflow.store.coverage import Coverage
from tasks.policy import only_shown

DEPLOYMENT = "backfill-range/backfill-range"
POLL_S = 1.0
#: Runs of a chunk that may crash in a row without having committed anything.
MAX_FRUITLESS_RUNS = 3


@dataclass
class _ChunkRun:
    chunk: LedgerRange
    id: UUID
    missing: int  # ledgers of the chunk that were not covered when the run was started
    fruitless: int  # runs of the chunk before this one that crashed and committed nothing
    # The state's id and the number of missing ledgers at the last progress, and when that was.
    seen: tuple[UUID, int] | None = None
    progress_at: float = field(default_factory=time.monotonic)


class FanOut:
    """Starts the runs of chunks, watches them, and starts crashed ones again.

    A run counts as crashed after `stall_s` seconds without progress.
    """

    def __init__(
        self, indexer: Indexer, settings: Settings, summary: FanOutSummary, stall_s: float
    ) -> None:
        self._indexer = indexer
        self._patience = indexer.patience
        self._settings = settings
        self._summary = summary
        self._stall_s = stall_s
        self._todo: deque[tuple[LedgerRange, int]] = deque()  # chunks and their fruitless runs
        self._running: list[_ChunkRun] = []
        self._failed: dict[LedgerRange, str] = {}

    def run(self, chunks: Sequence[LedgerRange], progress: Progress) -> dict[LedgerRange, str]:
        """Have the chunks indexed; gives those that failed, and why.

        Raises:
            ConfigurationError: there is no deployment `backfill-range`.
        """
        before = self._indexer.coverage()
        self._todo.extend((chunk, 0) for chunk in chunks)
        with get_client(sync_client=True) as client:
            try:
                while self._todo or self._running:
                    self._start_more(client)
                    time.sleep(POLL_S)
                    self._check_runs(client)
                    self._summary.written = _common(chunks, self._indexer.coverage().covered)
                    self._patience.progressed()  # the runs have a limit of their own
                    progress.show(self._summary.ledgers)
            finally:
                for run in self._running:  # an interrupt leaves some
                    with only_shown("the end of the backfill to its runs"):
                        client.set_flow_run_state(run.id, Cancelling())
        gaps = _common(chunks, self._indexer.coverage().gaps)
        self._summary.gaps += [new for gap in gaps for new in subtract(gap, before.gaps)]
        return self._failed

    def _start_more(self, client: SyncPrefectClient) -> None:
        if not self._todo:
            return
        limit = self._patience.retry(PREFECT, lambda: _concurrency_limit(client))
        coverage = self._indexer.coverage()
        while self._todo and len(self._running) < limit:
            chunk, fruitless = self._todo.popleft()
            run_id = self._patience.retry(PREFECT, partial(self._start, chunk))
            self._summary.started += 1
            self._running.append(_ChunkRun(chunk, run_id, _missing(chunk, coverage), fruitless))

    def _start(self, chunk: LedgerRange) -> UUID:
        """Schedule the run of a chunk; a worker of the pool takes it."""
        settings, only = self._settings, self._settings.event_filter
        parameters = {
            "start_ledger": chunk.first,
            "end_ledger": chunk.last,
            "contract_ids": only.contract_ids if only else None,
            "topics": only.topics if only else None,
            "max_workers": settings.max_workers,
            "allow_gap": True,  # `backfill` has checked the range
            "stall_s": self._stall_s,
            "source": settings.source,
            "anchor": settings.anchor_in(chunk),
            "rpc": settings.rpc,
            "database": settings.database,
        }
        # With no timeout to wait for, it gives the run as it was scheduled.
        return cast(FlowRun, run_deployment(DEPLOYMENT, parameters=parameters, timeout=0)).id

    def _check_runs(self, client: SyncPrefectClient) -> None:
        """Look at each run once, and settle the chunks whose runs have ended."""
        coverage = self._indexer.coverage()
        for run in [*self._running]:
            missing = _missing(run.chunk, coverage)
            state = self._patience.retry(PREFECT, partial(self._state, client, run, missing))
            if state.is_final():
                self._running.remove(run)
                self._settle(run, state, missing)

    def _state(self, client: SyncPrefectClient, run: _ChunkRun, missing: int) -> State[Any]:
        """Read the state of a run; one that makes no progress is put into Crashed first."""
        state = client.read_flow_run(run.id).state
        assert state is not None
        if state.is_final():
            return state
        if state.is_scheduled() or run.seen != (state.id, missing):  # a scheduled one has no worker
            run.seen, run.progress_at = (state.id, missing), time.monotonic()
        if time.monotonic() - run.progress_at < self._stall_s:
            return state
        crashed: State[Any] = Crashed(message=f"the run made no progress for {self._stall_s:g} s")
        # This frees its place in the concurrency limit; its process cannot be reached.
        client.set_flow_run_state(run.id, crashed)
        return crashed

    def _settle(self, run: _ChunkRun, state: State[Any], missing: int) -> None:
        """Decide what becomes of a chunk whose run has ended."""
        if state.name == INCOMPLETE:
            self._summary.incomplete += 1
            return
        if state.is_completed() or not missing:
            return
        fruitless = run.fruitless + 1 if missing == run.missing else 0
        if state.is_crashed() and fruitless < MAX_FRUITLESS_RUNS:
            get_run_logger().warning(
                f"the run of chunk {run.chunk} crashed and is started again: {state.message}"
            )
            self._todo.appendleft((run.chunk, fruitless))
            return
        self._failed[run.chunk] = f"{state.name}: {state.message}"


def _concurrency_limit(client: SyncPrefectClient) -> float:
    """Read how many runs may be started: further ones would wait half a minute each in Prefect."""
    try:
        limit = client.read_deployment_by_name(DEPLOYMENT).global_concurrency_limit
    except ObjectNotFound:
        raise ConfigurationError(
            f"there is no deployment {DEPLOYMENT}; create it with `sorobanflow deploy`"
        ) from None
    return limit.limit if limit else inf


def _missing(chunk: LedgerRange, coverage: Coverage) -> int:
    return count_ledgers(subtract(chunk, coverage.covered))


def _common(chunks: Sequence[LedgerRange], ranges: Sequence[LedgerRange]) -> list[LedgerRange]:
    return merge(part for chunk in chunks for part in clip(ranges, chunk))
