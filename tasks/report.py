"""The report steps: leave artifacts for a person. They write nothing to the database.

Invariant: a report that fails is logged, and fails no run.
"""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL
from sqlalchemy import Engine

from sorobanflow.audit.summary import AuditSummary
from sorobanflow.pipeline.summary import Summary, sections
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.status.read import read_status
from sorobanflow.status.report import headline, to_markdown
from sorobanflow.status.runs import with_runs
from sorobanflow.texts import markdown_table
from tasks.policy import only_shown

#: Findings of each kind in the artifact of an audit; the summary counts all.
MAX_FINDINGS = 200


@only_shown("the summary")
@task(name="report", task_run_name="report {key}", cache_policy=NO_CACHE, persist_result=False)
def report(key: str, summary: Summary) -> None:
    """Write a run's summary as a Markdown artifact: a table per section, and the headline."""
    lines: list[str] = []
    for title, rows in sections(summary.table()):
        lines += [*markdown_table(rows, (title or "this run", "")), ""]
    description = summary.headline()
    create_markdown_artifact(key=key, markdown="\n".join(lines), description=description)


@only_shown("the status")
@task(name="report-status", cache_policy=NO_CACHE, persist_result=False)
def report_status(key: str, engine: Engine, client: RpcClient) -> None:
    """Read the status of node, database and streams, and write it as a Markdown artifact."""
    status = read_status(engine, client)
    if api_url := PREFECT_API_URL.value():
        api_key, auth = PREFECT_API_KEY.value(), PREFECT_API_AUTH_STRING.value()
        status = with_runs(status, api_url, api_key, auth)
    create_markdown_artifact(key=key, markdown=to_markdown(status), description=headline(status))


@only_shown("the findings")
@task(name="report-findings", cache_policy=NO_CACHE, persist_result=False)
def report_findings(key: str, summary: AuditSummary) -> None:
    """Write an audit's findings as a Markdown artifact: a list per kind.

    No table, because Prefect's UI cuts cells that are wider than the page.
    """
    markdown = summary.findings_markdown(MAX_FINDINGS)
    create_markdown_artifact(key=key, markdown=markdown, description=summary.headline())
