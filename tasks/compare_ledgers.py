"""The audit's step: compare a chunk of ledgers with the node."""

from sqlalchemy import Engine

from sorobanflow.audit.agreement import Compared, compare
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store.claims import Claims
from tasks.policy import pipeline_task


@pipeline_task("compare-ledgers", "{ledgers}")
def compare_ledgers(
    ledgers: LedgerRange, source: RpcSource, claims: Claims, engine: Engine
) -> Compared:
    """Compare what is stored of a chunk of ledgers with what the node has."""
    return compare(engine, source, ledgers, claims)
