"""The status step: leave an artifact that says how everything is."""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.status.read import read_status
from sorobanflow.status.report import headline, to_markdown


@task(name="report-status", cache_policy=NO_CACHE, persist_result=False)
def report_status(key: str, engine: Engine, client: RpcClient) -> None:
    """Read the status of node, database and streams, and write it as a Markdown artifact.

    Args:
        key: Key of the artifact.
        engine: The shared engine.
        client: The shared client.
    """
    status = read_status(engine, client)
    create_markdown_artifact(key=key, markdown=to_markdown(status), description=headline(status))
