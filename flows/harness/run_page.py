"""What a run shows of itself in Prefect's UI: its name, its tags, and its summary.

A scheduled run knows only at its end what it did, so it is named then; until
then its name is that of its flow. Invariant: no run fails because it could not
be named or tagged.
"""

from collections.abc import Sequence

from prefect import get_client, get_run_logger
from prefect.context import FlowRunContext

from flows.harness.indexer import Indexer
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.summary import Summary
from sorobanflow.status.model import network_name
from tasks.report import report


def tag_run(indexer: Indexer) -> None:
    """Add the network's short name to the run's tags, and the stream if it is a filtered one."""
    stream = indexer.target.stream
    tags = [network_name(indexer.source.passphrase)]
    tags += [stream.name] if stream.name != "all" else []
    _update(tags=[tag for tag in tags if tag])


def conclude(key: str, summary: Summary, name: str) -> None:
    """Log what the run did, name the run after it, and leave it as an artifact.

    Args:
        key: Key of the artifact; runs of one flow share it.
        summary: What the run did.
        name: What the run is to be called.
    """
    get_run_logger().info(summary.headline())
    _update(name=name)
    report(key, summary)


def range_text(parts: Sequence[LedgerRange]) -> str:
    """Name ascending ranges from end to end; with holes between them, the number of ledgers."""
    whole = LedgerRange(parts[0].first, parts[-1].last)
    size = sum(part.size for part in parts)
    return str(whole) if size == whole.size else f"{whole} ({size:,} ledgers)"


def _update(*, name: str | None = None, tags: Sequence[str] = ()) -> None:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    run = context.flow_run
    added = [tag for tag in tags if tag not in run.tags]
    if name is None and not added:
        return
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(run.id, name=name, tags=[*run.tags, *added] if added else None)
    except Exception as error:  # it is only how the run looks
        get_run_logger().warning(f"the run's name or tags could not be changed: {error}")
