"""What the tasks share: when Prefect retries, how long it waits, what it keeps.

Single calls are retried within the client, where the breaker is. Prefect's
retries are for the chunk: for an endpoint that stayed away longer than that.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import psycopg
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from sqlalchemy.exc import OperationalError

from sorobanflow.errors import RetriableError

P = ParamSpec("P")
R = TypeVar("R")

RETRY_DELAYS_S: list[float] = [2, 8, 20]


def is_retriable(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass: the node's, or the database connection's."""
    return isinstance(state.data, RetriableError | OperationalError | psycopg.OperationalError)


def step(name: str, run_name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a step of the pipeline.

    Args:
        name: The task's stable name, kebab-case.
        run_name: Template of a task run's name: what it works on.
    """
    return task(
        name=name,
        task_run_name=run_name,
        retries=len(RETRY_DELAYS_S),
        retry_delay_seconds=RETRY_DELAYS_S,
        retry_jitter_factor=0.5,
        retry_condition_fn=is_retriable,
        cache_policy=NO_CACHE,  # the parameters are clients and engines: nothing to hash
        persist_result=False,
    )
