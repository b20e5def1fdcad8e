"""The final state of a run: `Completed`, or `Incomplete` if the run left something out.

`Incomplete` is of Prefect's type FAILED, so it is red in the UI. Only what this run left
out counts: gaps of earlier runs make no later run fail.
"""

from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from prefect.client.schemas.objects import State
from prefect.exceptions import FailedRun, MissingResult
from prefect.flows import Flow
from prefect.states import Completed, Failed

from sorobanflow.errors import SorobanflowError
from sorobanflow.pipeline.summary import RunSummary

#: Name of the state of a run that reached its end and left something out.
INCOMPLETE = "Incomplete"

P = ParamSpec("P")
R = TypeVar("R")

#: What the last flow of this thread returned: the data of its final state.
_outcome: ContextVar[Any] = ContextVar("outcome", default=None)


class IncompleteError(SorobanflowError):
    """A run reached its end and left something out; calling its flow raises this."""

    def __init__(self, summary: RunSummary) -> None:
        super().__init__(summary)
        self.summary = summary

    def __str__(self) -> str:
        return "; ".join([self.summary.headline(), *self.summary.left_out])


def final_state(summary: RunSummary) -> State[Any]:
    """Make the run's final state from its summary."""
    if summary.complete:
        return Completed(message=summary.headline(), data=summary)
    error = IncompleteError(summary)
    return Failed(name=INCOMPLETE, message=str(error), data=error)


def keep_outcome(state: R) -> R:
    """Remember what a flow returns, before Prefect sends it to the server."""
    _outcome.set(state.data if isinstance(state, State) else state)
    return state


class FlowWithOutcome(Flow[P, R]):
    """A flow that gives what it returned, also if the answer to its final state was lost.

    Prefect's client then sends the state again, the server rejects the second one, and the
    engine continues with the server's copy of the state, which has no data.
    """

    def __call__(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - as the flow
        """Run the flow, as Prefect does."""
        _outcome.set(None)
        try:
            return super().__call__(*given, **more)
        except (MissingResult, FailedRun) as error:
            outcome = _outcome.get()
            if isinstance(error, FailedRun) and isinstance(outcome, IncompleteError):
                raise outcome from None
            if isinstance(error, MissingResult) and outcome is not None:
                return outcome
            raise
