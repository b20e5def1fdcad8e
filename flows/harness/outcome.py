"""The final state of a run: `Completed`, or `Incomplete` if the run left something out.

`Incomplete` is of Prefect's type FAILED, so it is red in the UI. Only what this run left
out counts: gaps of earlier runs make no later run fail.
"""

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from sorobanflow.errors import SorobanflowError
from sorobanflow.pipeline.summary import RunSummary

#: Name of the state of a run that reached its end and left something out.
INCOMPLETE = "Incomplete"


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
