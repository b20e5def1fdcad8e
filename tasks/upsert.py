"""The write step: one batch and its coverage, in one database transaction."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from sorobanflow.rows.batch import Batch
from sorobanflow.store import upsert
from tasks.policy import JITTER, RETRIES, RETRY_DELAYS_S, is_retriable


@task(
    name="upsert-batch",
    task_run_name="upsert-batch {batch.ledgers}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_jitter_factor=JITTER,
    retry_condition_fn=is_retriable,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def upsert_batch(batch: Batch, engine: Engine, stream: str) -> None:
    """Store a batch whole.

    Args:
        batch: Rows of whole ledgers.
        engine: The shared engine.
        stream: The stream whose coverage grows.
    """
    upsert.upsert_batch(engine, batch, stream)
