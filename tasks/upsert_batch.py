"""The write step: one batch and its coverage, in one database transaction."""

from sorobanflow.store.upsert import BatchWrite
from tasks.policy import step


@step("upsert-batch", "upsert-batch {write.batch.ledgers}")
def upsert_batch(write: BatchWrite) -> None:
    """Store a batch whole.

    Args:
        write: The batch, and where to; keeps the seconds that it took.
    """
    write.run()
