"""The report step: leave an artifact that says what a run did."""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from sorobanflow.summary import Summary


@task(name="report", cache_policy=NO_CACHE, persist_result=False)
def report(key: str, summary: Summary) -> None:
    """Write the run's summary as a Markdown artifact.

    Args:
        key: Key of the artifact; runs of one flow share it.
        summary: The run's counts.
    """
    lines = [f"**{summary.headline()}**", "", "| | |", "|---|---:|"]
    lines += [f"| {label} | {value} |" for label, value in summary.table()]
    create_markdown_artifact(key=key, markdown="\n".join(lines), description=summary.headline())
