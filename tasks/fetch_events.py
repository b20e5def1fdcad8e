"""The first step of a batch: the events of a ledger range."""

from sorobanflow.sources.source import Fetched, FetchStep
from tasks.policy import pipeline_task


@pipeline_task("fetch-events")
def fetch_events(step: FetchStep) -> Fetched:
    """Read the events of a range until the node's answers prove that all were read.

    A retry continues where the last try ended. Prefect keeps what tasks return, so the
    events stay in the step.
    """
    return step.run()
