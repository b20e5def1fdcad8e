"""Fan a backfill out over a Dask cluster: a task run per chunk, in a Dask worker's process.

Nothing but names and numbers crosses: the worker loads the blocks itself, so it
needs the project on its path and the Prefect API in reach. Dask starts a chunk
again whose worker died, up to its own limit (`distributed.scheduler.allowed-failures`,
3); what it does not finish is a failed chunk. prefect-dask is an extra, imported
only where it is asked for.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.backfill_range import backfill_range
from flows.indexer import Indexer, Settings
from flows.progress import Progress
from flows.watch import Watch, chunk_parameters, missing
from sorobanflow.backfill import FanOutSummary
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange

if TYPE_CHECKING:
    from prefect_dask import DaskTaskRunner
    from prefect_dask.task_runners import PrefectDaskFuture

POLL_S = 0.5


@task(
    name="backfill-range",
    task_run_name="backfill-range {start_ledger}-{end_ledger}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def index_chunk(start_ledger: int, end_ledger: int, parameters: dict[str, Any]) -> State[None]:
    """Index what coverage lacks of a chunk, as `backfill_range` does; with its other parameters.

    It is no flow run of its own: one whose process is killed stays "Running" for ever.
    """
    state = backfill_range.fn(start_ledger, end_ledger, **parameters)
    # Without its data: the counts of the client cannot leave their process.
    return Completed(name=state.name, message=state.message)


def dask_runner(address: str | None) -> "DaskTaskRunner":
    """Make the runner for a cluster; nothing is started or connected yet.

    Args:
        address: Of the scheduler, as tcp://host:8786. Empty: a cluster in this machine
            for as long as the runner lives, a process per core.

    Raises:
        ConfigurationError: prefect-dask is not installed.
    """
    try:
        from prefect_dask import DaskTaskRunner  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "fan_out 'dask' needs prefect-dask: pip install -e '.[dask]'"
        ) from None
    if address:
        return DaskTaskRunner(address=address)
    # Decoding holds the interpreter's lock: more threads in a process would not help.
    # Port 0, any free one: two clusters would warn about one port for their status pages.
    return DaskTaskRunner(cluster_kwargs={"threads_per_worker": 1, "dashboard_address": ":0"})


class DaskFanOut:
    """Hands the chunks to a cluster and waits for them.

    Args:
        indexer: Where coverage is read.
        settings: What the workers index; they read the same blocks.
        summary: Is filled from coverage.
        runner: Of the cluster, not started yet.
    """

    def __init__(
        self,
        indexer: Indexer,
        settings: Settings,
        summary: FanOutSummary,
        runner: "DaskTaskRunner",
    ) -> None:
        self._indexer = indexer
        self._parameters = chunk_parameters(settings)
        self._summary = summary
        self._runner = runner

    def run(self, chunks: Sequence[LedgerRange], progress: Progress) -> dict[LedgerRange, str]:
        """Have the chunks indexed; gives those that failed, and why.

        Raises:
            ConfigurationError: no scheduler answers at the address.
        """
        watch = Watch(self._indexer, self._summary, chunks)
        with self._runner:
            self._connect()
            futures = {chunk: self._submit(chunk) for chunk in chunks}
            while not all(future.wrapped_future.done() for future in futures.values()):
                time.sleep(POLL_S)
                watch.look()
                progress.show(self._summary.ledgers)
            reasons = {chunk: self._ended(future) for chunk, future in futures.items()}
        coverage = watch.close()
        return {chunk: why for chunk, why in reasons.items() if why and missing(chunk, coverage)}

    def _connect(self) -> None:
        try:
            _ = self._runner.client
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"no Dask scheduler answers at {self._runner.address}: {error}"
            ) from error

    def _submit(self, chunk: LedgerRange) -> "PrefectDaskFuture[None]":
        arguments = {
            "start_ledger": chunk.first,
            "end_ledger": chunk.last,
            "parameters": self._parameters,
        }
        future = self._runner.submit(index_chunk, arguments)
        self._summary.started += 1
        return future

    def _ended(self, future: "PrefectDaskFuture[None]") -> str | None:
        """Say why a chunk failed, if it did."""
        try:
            state: State[None] = future.wrapped_future.result()
        except Exception as error:  # its workers died, or the scheduler did
            return f"{type(error).__name__}: {error}"
        self._summary.incomplete += state.name == "Incomplete"
        return None if state.is_completed() else f"{state.name}: {state.message}"
