"""What the tasks share: when Prefect retries, how long it waits, what it keeps.

The client retries single calls; Prefect retries a step, for a node or a database that was
away for longer. Invariant: what only shows something never fails a run.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from sorobanflow.errors import RetriableError
from sorobanflow.store.failures import named_failures

P = ParamSpec("P")
R = TypeVar("R")

#: Half a minute in all. Prefect's wait cannot be interrupted, and with the jitter it is up to
#: half as long again: a run that is told to stop has to end in time all the same.
RETRY_DELAYS_S: list[float] = [2, 4, 5, 5, 5, 5]
#: The level of Prefect's log of task runs, as Prefect itself reads it.
LOG_LEVEL = "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL"


def quiet_task_runs() -> None:
    """Log no line per task run, unless the environment asks for it: they bury the flow's own."""
    if not os.environ.get(LOG_LEVEL):
        logging.getLogger("prefect.task_runs").setLevel(logging.WARNING)


def is_retriable(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure, of the node or the database, may pass."""
    return isinstance(state.data, RetriableError)


def pipeline_task(
    name: str, run_name: str = "{step.label}"
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a step; `run_name` says what a task run works on, after the task's name."""
    as_task: Callable[[Callable[P, R]], Task[P, R]] = task(
        name=name,
        task_run_name=f"{name} {run_name}",
        retries=len(RETRY_DELAYS_S),
        retry_delay_seconds=RETRY_DELAYS_S,
        retry_jitter_factor=0.5,
        retry_condition_fn=is_retriable,
        cache_policy=NO_CACHE,  # the parameters are clients and engines: nothing to hash
        persist_result=False,
    )
    return lambda function: as_task(named_failures()(function))


@contextmanager
def only_shown(what: str) -> Iterator[None]:
    """Log a failure within as a warning; also a decorator."""
    try:
        yield
    except Exception as error:
        get_run_logger().warning(f"{what} could not be shown in Prefect: {error}")
