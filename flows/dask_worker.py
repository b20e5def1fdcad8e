"""What a Dask worker does for a chunk: it starts a process, and watches it.

Prefect's engine runs in that process and never in the worker's own, where a
chunk was seen to hang for ever in it. Imports no Prefect, so that a worker
stays small and quick to start.
"""

import os
import sys
from collections.abc import Callable

from distributed import Worker, get_worker
from distributed.core import Status

from flows.leash import run_on_leash

GONE = (Status.closing, Status.closed, Status.failed)


def carry_run(flow_run_id: str, api_url: str) -> str:
    """Have a run of `backfill_range` carried out; gives what went wrong, or nothing.

    Args:
        flow_run_id: The run; nobody has begun it yet.
        api_url: Address of the Prefect API, unless PREFECT_API_URL says another.
    """
    worker = get_worker()
    command = [sys.executable, "-m", "flows.backfill_range", flow_run_id]
    environment = {"PREFECT_API_URL": api_url, **os.environ}
    code, output = run_on_leash(command, environment, _wanted(worker))
    return f"its process ended with {code}: {output}" if code else ""


def _wanted(worker: Worker) -> Callable[[], bool]:
    """Dask does not interrupt a task whose future was cancelled: it has to look itself."""
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status not in GONE

    return wanted
