"""What the tasks share: when Prefect retries, and how long it waits.

Single calls are retried within the client, where the breaker is. Prefect's
retries are for the chunk: for an endpoint that stayed away longer than that.
"""

from typing import Any

import psycopg
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from sqlalchemy.exc import OperationalError

from sorobanflow.errors import RetriableError

RETRIES = 3
RETRY_DELAYS_S: list[float] = [2, 8, 20]
JITTER = 0.5


def is_retriable(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass: the node's, or the database connection's."""
    return isinstance(state.data, RetriableError | OperationalError | psycopg.OperationalError)
