"""The write step: the rows of one batch and its coverage, in one database transaction."""

from sqlalchemy import Engine

from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.store import upsert
from sorobanflow.store.upsert import Written
from tasks.policy import step


@step("upsert-batch", "upsert-batch {rows.ledgers}")
def upsert_batch(engine: Engine, rows: BatchRows, stream: str) -> Written:
    """Store a batch whole.

    Args:
        engine: The database.
        rows: The batch's rows.
        stream: Name of the stream whose coverage grows.
    """
    return upsert.upsert_batch(engine, rows, stream)
