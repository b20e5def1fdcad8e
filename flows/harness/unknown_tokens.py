"""Ask for the names of unknown tokens at the end of a run; a failure never fails it."""

from prefect import get_run_logger

from flows.harness.indexer import Indexer
from sorobanflow.pipeline.unknown_tokens import ask_for_unknown_tokens


def name_tokens(indexer: Indexer) -> None:
    """Ask the node what unknown tokens are called; a later run asks again if it does not say.

    A data lake cannot be asked: a later run of `index` does it.
    """
    if indexer.client is None:
        return
    source, engine = indexer.source, indexer.target.engine
    try:
        ask_for_unknown_tokens(indexer.client, engine, source.passphrase)
    except Exception as error:
        get_run_logger().info(f"tokens could not be named, a later run asks again: {error}")
