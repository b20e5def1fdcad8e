"""The first step of a batch of whole ledgers; it stands where the two other fetch steps stand."""

from sorobanflow.sources.source import Fetched, FetchStep
from tasks.policy import pipeline_task


@pipeline_task("fetch-ledgers")
def fetch_ledgers(step: FetchStep) -> Fetched:
    """Fetch one or several objects of whole ledgers; a retry continues where the last try ended.

    Prefect keeps what tasks return, so the objects stay in the step.
    """
    return step.run()
