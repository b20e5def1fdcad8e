"""The steps of an audit: compare a portion of ledgers, show what was found."""

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from sorobanflow.audit.agreement import Comparison
from sorobanflow.audit.summary import AuditSummary
from sorobanflow.sources.rpc.client import RpcClient
from tasks.policy import step

#: Rows that the artifact shows; the summary counts all.
MOST_ROWS = 1000


@step("compare-ledgers", "compare-ledgers {comparison.ledgers}")
def compare_ledgers(comparison: Comparison, client: RpcClient, engine: Engine) -> None:
    """Compare what is stored of a portion of ledgers with what the node says.

    Args:
        comparison: The portion; keeps the differences.
        client: The shared client.
        engine: The shared engine.
    """
    comparison.run(client, engine)


@task(name="report-findings", cache_policy=NO_CACHE, persist_result=False)
def report_findings(key: str, summary: AuditSummary) -> None:
    """Write the findings as a table artifact, a row each.

    Args:
        key: Key of the artifact; runs of one flow share it.
        summary: The audit.
    """
    rows = summary.finding_rows()[:MOST_ROWS]
    create_table_artifact(key=key, table=rows, description=summary.headline())
