"""The write step: one batch and its coverage, in one database transaction."""

from sqlalchemy import Engine

from sorobanflow.rows.batch import Batch
from sorobanflow.store import upsert
from tasks.policy import step


@step("upsert-batch", "upsert-batch {batch.ledgers}")
def upsert_batch(batch: Batch, engine: Engine, stream: str) -> None:
    """Store a batch whole.

    Args:
        batch: Rows of whole ledgers.
        engine: The shared engine.
        stream: The stream whose coverage grows.
    """
    upsert.upsert_batch(engine, batch, stream)
