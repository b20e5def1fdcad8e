"""The compare step of an audit: compare a portion of ledgers with the node."""

from sqlalchemy import Engine

from sorobanflow.audit.agreement import Comparison
from sorobanflow.sources.rpc.client import RpcClient
from tasks.policy import step


@step("compare-ledgers", "compare-ledgers {comparison.ledgers}")
def compare_ledgers(comparison: Comparison, client: RpcClient, engine: Engine) -> None:
    """Compare what is stored of a portion of ledgers with what the node says.

    Args:
        comparison: The portion; keeps the differences.
        client: The shared client.
        engine: The shared engine.
    """
    comparison.run(client, engine)
