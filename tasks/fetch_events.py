"""The first step of a batch: the events of a ledger range."""

from sorobanflow.sources.source import Fetched, FetchStep
from tasks.policy import pipeline_task


@pipeline_task("fetch-events")
def fetch_events(step: FetchStep) -> Fetched:
    """Read the events of a range until the node's answers prove that all were read.

    Args:
        step: The range, and how far it was read: a retry continues there. Keeps the
            events, so that Prefect, which keeps what tasks return, keeps figures only.
    """
    return step.run()
