"""Carry the chunks of a backfill to a Dask cluster: a flow run each, in a process there.

A worker is told the id of a flow run and the address of the Prefect API, no
secret: the process reads the run's parameters and the blocks itself. Each run
is a task of the backfill in the UI. A run whose worker died is not begun a
second time; `fan_out` starts another. Needs the extra `dask`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import distributed
from prefect import Task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.runtime import flow_run as this_run
from prefect.states import Cancelled, Crashed, Pending, Scheduled
from prefect_dask import DaskTaskRunner

from flows.backfill_range import backfill_range
from flows.dask_worker import carry_run
from flows.fan_out import read_state
from sorobanflow.errors import ConfigurationError, RetriableError

#: Seconds that the processes of ended runs get to send their last logs.
LEAVE_S = 5.0
POLL_S = 0.1


@contextmanager
def dask_cluster(address: str | None, client: SyncPrefectClient) -> Iterator["DaskCluster"]:
    """Connect to a cluster, or start one; on the way out of a failure, nothing goes on there.

    Args:
        address: Of the scheduler, as tcp://host:8786. Empty: a cluster in this process, a
            chunk per core; its chunks are processes of their own all the same.
        client: Of the Prefect API.

    Raises:
        ConfigurationError: no scheduler answers at the address.
    """
    here = {"processes": False, "dashboard_address": "127.0.0.1:0"}
    runner = DaskTaskRunner(address=address) if address else DaskTaskRunner(cluster_kwargs=here)
    with runner:
        try:
            dask = runner.client
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"no Dask scheduler answers at {address}: {error}") from error
        cluster = DaskCluster(dask, client)
        yield cluster
        cluster.wait(LEAVE_S)


class DaskCluster:
    """Starts runs as tasks of the cluster, and ends them.

    Prefect's own tasks are not given to Dask: they bring the engine into its workers, and
    the settings with their secrets to its scheduler.

    Args:
        dask: A connected client of the cluster.
        client: Of the Prefect API.
    """

    def __init__(self, dask: distributed.Client, client: SyncPrefectClient) -> None:
        self._dask = dask
        self._client = client
        self._futures: dict[UUID, distributed.Future] = {}

    def at_once(self) -> int:
        """Runs that keep the workers busy, and show a cluster that can grow that it should.

        Raises:
            RetriableError: the scheduler has gone away.
        """
        try:
            threads: dict[str, int] = self._dask.nthreads()
        except OSError as error:
            raise RetriableError(
                f"the Dask scheduler does not answer any more ({error}). "
                "What was committed stays; the same command again goes on from there"
            ) from error
        return 2 * sum(threads.values()) + 1

    def start(self, parameters: dict[str, Any]) -> UUID:
        """Hand a chunk to the cluster; gives its flow run."""
        run = self._client.create_flow_run(
            backfill_range,
            parameters=parameters,
            parent_task_run_id=self._task_run(parameters).id,
            state=Scheduled(),
        )
        self._futures[run.id] = self._dask.submit(
            carry_run, str(run.id), str(self._client.api_url), key=f"backfill-range-{run.id}"
        )
        return run.id

    def state(self, run_id: UUID) -> State[Any]:
        """Give the state of a run; Crashed, if nobody works on it any more."""
        future = self._futures[run_id]
        ended = _done(future)  # before the state, which is the last one then
        state = read_state(self._client, run_id)
        if state.type == StateType.CANCELLING:  # in the UI: there is nobody else to do it
            return self._end(run_id, Cancelled())
        if ended and not state.is_final():
            return self._end(run_id, Crashed(message=_why(future)))
        return state

    def give_up(self, run_id: UUID, died: State[Any]) -> None:
        """Kill a run that does not get on."""
        self._end(run_id, died)

    def cancel(self, run_id: UUID) -> None:
        """Kill a run that is not wanted any more."""
        self._end(run_id, Cancelled())

    def wait(self, timeout_s: float) -> None:
        """Wait for the processes of runs that have ended."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not all(map(_done, self._futures.values())):
            time.sleep(POLL_S)

    def _task_run(self, parameters: dict[str, Any]) -> TaskRun:
        """Make the task that stands for a chunk in this flow; the server keeps its state."""
        return self._client.create_task_run(
            Task(lambda: None, name=backfill_range.name),
            UUID(this_run.id),
            dynamic_key=str(uuid4()),
            name="backfill-range {start_ledger}-{end_ledger}".format_map(parameters),
            state=Pending(),
        )

    def _end(self, run_id: UUID, state: State[Any]) -> State[Any]:
        self._futures[run_id].cancel()
        self._client.set_flow_run_state(run_id, state)
        return state


def _done(future: distributed.Future) -> bool:
    return bool(future.done())


def _why(future: distributed.Future) -> str:
    if future.status == "finished":
        return future.result() or "its process ended before the run did"
    if future.status == "error":
        return repr(future.exception())
    return f"the cluster has {future.status} it"
