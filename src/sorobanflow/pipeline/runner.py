"""What the pipeline needs of whoever runs its steps.

The flows give a runner that makes each step a Prefect task (`flows.harness.runner`);
`ThreadRunner` runs them as they are, for tests, benchmarks and programs without
Prefect. Invariant: a runner never runs more steps at the same time than it was told.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, Self

OnDone = Callable[[Any], None]


class Step(Protocol):
    """A unit of work that runs as one task; `kind` and `label` make the task run's name."""

    @property
    def kind(self) -> str: ...  # noqa: D102

    @property
    def label(self) -> str: ...  # noqa: D102

    def run(self) -> Any:  # noqa: ANN401 - each kind of step has a result of its own
        """Do the work; gives figures, never the data."""


class Started(Protocol):
    """A step that was started."""

    def add_done_callback(self, fn: OnDone, /) -> None:
        """Have `fn` called when the step has ended, from any thread."""

    def result(self) -> Any:  # noqa: ANN401 - as `Step.run`
        """Give the step's result, or raise its error."""


class Awaited:
    """Something that will come; wakes the pipeline when it does.

    A future keeps its callbacks, so they do not refer to this object: with 5,000 items in
    each cycle, the garbage collector took hundreds of MiB to come to them.
    """

    def __init__(self, future: Started, wake: Callable[[], object]) -> None:
        self.future = future
        self._done_at = done_at = list[float]()

        def note(_: object) -> None:
            done_at.append(time.monotonic())
            wake()

        future.add_done_callback(note)

    @property
    def is_done(self) -> bool:
        """Whether it is there."""
        return bool(self._done_at)

    @property
    def done_at(self) -> float:
        """Monotonic time at which it came; only when it `is_done`."""
        return self._done_at[0]


class Runner(Protocol):
    """Runs steps in worker threads."""

    def start(self, step: Step, after: Sequence[Started] = ()) -> Started:
        """Start a step, which may run again after a retriable error.

        It builds on the steps in `after`, which have ended.
        """


class ThreadRunner:
    """Runs steps on a pool of threads, without retries."""

    def __init__(self, max_workers: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def start(self, step: Step, after: Sequence[Started] = ()) -> "Future[Any]":
        """Start a step."""
        return self._pool.submit(step.run)
