"""The write step: one batch and its coverage, in one database transaction."""

import time

from sqlalchemy import Engine

from sorobanflow.rows.batch import Batch
from sorobanflow.store import upsert
from tasks.policy import step


@step("upsert-batch", "upsert-batch {batch.ledgers}")
def upsert_batch(batch: Batch, engine: Engine, stream: str) -> float:
    """Store a batch whole; gives the seconds that it took.

    Args:
        batch: Rows of whole ledgers.
        engine: The shared engine.
        stream: The stream whose coverage grows.
    """
    began = time.perf_counter()
    upsert.upsert_batch(engine, batch, stream)
    return time.perf_counter() - began
