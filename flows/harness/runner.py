"""Where the steps of batches are started, each as a Prefect task.

    fetch-events ──▶ fetch-transactions (one task run per chunk) ──▶ upsert-batch
    fetch-ledgers (one task run per group of objects)            ──▶ upsert-batch

Invariant: the thread-pool task runner caps how many run at the same time. The run's
graph in the UI has an arrow from each step to those that build on it.
"""

from collections.abc import Sequence
from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.results import ResultRecord  # type: ignore[attr-defined]
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from sorobanflow.pipeline.runner import OnDone, Started, Step
from tasks.fetch_events import fetch_events
from tasks.fetch_ledgers import fetch_ledgers
from tasks.fetch_transactions import fetch_transactions
from tasks.upsert_batch import upsert_batch

#: The steps of a batch, as the UI shows them.
TASKS: dict[str, Task[Any, Any]] = {
    task.name: task for task in (fetch_events, fetch_transactions, fetch_ledgers, upsert_batch)
}


class PrefectRunner(ThreadPoolTaskRunner[Any]):
    """The task runner of a run, which runs the steps of all its pipelines."""

    def start(self, step: Step, after: Sequence[Started] = ()) -> "TaskStarted":
        """Start a step as the task of its kind, after the steps that it builds on."""
        wait_for = [cast(TaskStarted, one).future for one in after]
        return TaskStarted(self.submit(TASKS[step.kind], {"step": step}, wait_for))


class TaskStarted:
    """A task run that was started."""

    def __init__(self, future: PrefectFuture[Any]) -> None:
        self.future = future

    def add_done_callback(self, fn: OnDone) -> None:
        """Have `fn` called when the task run has ended."""
        self.future.add_done_callback(fn)

    def result(self) -> Any:  # noqa: ANN401 - as `Step.run`
        """Give what the task returned, or raise its error."""
        self.future.wait()
        state = self.future.state
        if state.is_completed() and isinstance(state.data, ResultRecord):
            return state.data.result  # `future.result` takes 1 to 2 ms for it
        return self.future.result()
