"""The second step of a batch: its transactions, a chunk each task run, side by side."""

from sorobanflow.sources.source import Fetched, FetchStep
from tasks.policy import pipeline_task


@pipeline_task("fetch-transactions")
def fetch_transactions(step: FetchStep) -> Fetched:
    """Fetch one chunk of a batch's transactions; a retry continues where the last try ended."""
    return step.run()
