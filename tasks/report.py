"""The report step: leave an artifact that says what a run did."""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from sorobanflow.pipeline.summary import Summary, sections


@task(name="report", task_run_name="report {key}", cache_policy=NO_CACHE, persist_result=False)
def report(key: str, summary: Summary) -> None:
    """Write the run's summary as a Markdown artifact: small tables, and the headline above them.

    Args:
        key: Key of the artifact; runs of one flow share it.
        summary: The run's counts.
    """
    create_markdown_artifact(key=key, markdown=to_markdown(summary), description=summary.headline())


def to_markdown(summary: Summary) -> str:
    """Write a summary's lines as a table for each of its groups."""
    lines: list[str] = []
    for title, rows in sections(summary.table()):
        lines += [f"| {title or 'this run'} | |", "|---|---:|"]
        lines += [f"| {_cell(label)} | {_cell(value)} |" for label, value in rows]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
