"""Carry the chunks of a backfill to Prefect's workers: runs of a deployment.

A backfill that is itself run by a worker keeps a place on it while it waits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from flows.harness.fan_out import read_state
from sorobanflow.errors import ConfigurationError

DEPLOYMENT = "backfill-range/backfill-range"


@contextmanager
def deployment(client: SyncPrefectClient) -> Iterator["Deployment"]:
    """Give the deployment; a worker carries its runs out, and ends those that are cancelled."""
    yield Deployment(client)


class Deployment:
    """Starts runs of the deployment `backfill-range`.

    Args:
        client: Of the Prefect API.
    """

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client

    def at_once(self) -> float:
        """Give the concurrency limit: more would wait in Prefect half a minute each.

        Raises:
            ConfigurationError: the deployment is not there.
        """
        try:
            limit = self._client.read_deployment_by_name(DEPLOYMENT).global_concurrency_limit
        except ObjectNotFound:
            raise ConfigurationError(
                f"there is no deployment {DEPLOYMENT}; "
                "make it with `prefect --no-prompt deploy --all`"
            ) from None
        return limit.limit if limit else inf

    def start(self, parameters: dict[str, Any]) -> UUID:
        """Schedule a run; a worker of the pool takes it."""
        run = cast(FlowRun, run_deployment(DEPLOYMENT, parameters=parameters, timeout=0))
        return run.id

    def state(self, run_id: UUID) -> State[Any]:
        """Read what Prefect says of a run."""
        return read_state(self._client, run_id)

    def give_up(self, run_id: UUID, died: State[Any]) -> None:
        """Put a run into this state, which frees its place; its process cannot be reached."""
        self._client.set_flow_run_state(run_id, died)

    def cancel(self, run_id: UUID) -> None:
        """Have the worker end a run."""
        self._client.set_flow_run_state(run_id, Cancelling())
