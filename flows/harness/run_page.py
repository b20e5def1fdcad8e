"""How a run looks in Prefect's UI: its name, its tags, and its summary.

While it works a run is named after what it was asked for, at its end after what it did.
Invariant: nothing here fails a run, or hides its error.
"""

from collections.abc import Sequence

from prefect import get_client, get_run_logger
from prefect.context import FlowRunContext
from sqlalchemy import Engine

from flows.harness.indexer import Indexer, in_use
from sorobanflow.ledgers import LedgerRange, count_ledgers
from sorobanflow.pipeline.summary import Summary
from sorobanflow.status.database import read_id
from sorobanflow.status.model import database_tag, network_name
from tasks.policy import only_shown
from tasks.report import report


def tag_run(indexer: Indexer) -> None:
    """Tag the run with the network's short name, the stream if it is filtered, the database."""
    stream = indexer.target.stream.name
    tags = [network_name(indexer.source.passphrase), None if stream == "all" else stream]
    tag_with_database(indexer.target.engine, [tag for tag in tags if tag])


def tag_with_database(engine: Engine, tags: Sequence[str] = ()) -> None:
    """Tag the run with these, and with its database, by which the status finds its runs."""
    with only_shown("the run's tags"):
        database_id = read_id(engine) if in_use(engine) else None
        _update(tags=[*tags, database_tag(database_id)] if database_id else tags)


def name_run(name: str) -> None:
    """Name the run after what it works on, once that is known."""
    _update(name=name)


def conclude(key: str, summary: Summary, name: str | None) -> None:
    """Log the summary, leave it as an artifact with this key, and name the run, unless None."""
    get_run_logger().info(summary.headline())
    _update(name=name)
    report(key, summary)


def range_text(parts: Sequence[LedgerRange]) -> str:
    """Name ascending ranges by their two ends; if there are holes, add the number of ledgers."""
    whole = LedgerRange(parts[0].first, parts[-1].last)
    size = count_ledgers(parts)
    return str(whole) if size == whole.size else f"{whole} ({size:,} ledgers)"


def _update(*, name: str | None = None, tags: Sequence[str] = ()) -> None:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or not (name or tags):
        return
    run = context.flow_run
    all_tags = [*run.tags, *(tag for tag in tags if tag not in run.tags)]
    with only_shown("the run's name or tags"), get_client(sync_client=True) as client:
        client.update_flow_run(run.id, name=name, tags=all_tags if tags else None)
