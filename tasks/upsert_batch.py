"""The last step of a batch: its rows and their coverage, in one database transaction."""

from sorobanflow.pipeline.batch import UpsertStep
from sorobanflow.store.upsert import Written
from tasks.policy import pipeline_task


@pipeline_task("upsert-batch")
def upsert_batch(step: UpsertStep) -> Written:
    """Store a batch whole; a retry stores it again, which changes nothing."""
    return step.run()
