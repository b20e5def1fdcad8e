"""The runs of flows that write to a stream, as Prefect describes them.

A run is found by the tags that it gets once it has opened its database: the database, and the
stream if it is filtered.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prefect import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from blocks.prefect_api import named_api_failures
from sorobanflow.status.model import Run, database_tag
from sorobanflow.store.coverage import Stream

WRITERS = ("index", "backfill", "backfill-range", "audit")
AT_WORK = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
STARTED = (*AT_WORK, StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
#: Runs of each flow among which a stream's last one is looked for.
MAX_RUNS = 100


def last_runs(database_id: str) -> dict[str, Run]:
    """Give the run of each stream that started last, by the stream's name."""
    found = sorted(_read(database_id, STARTED), key=lambda one: str(one[1].start_time))
    return {_stream_of(run): _described(flow, run) for flow, run in found}


def runs_at_work(database_id: str, stream: str) -> list[str]:
    """Name the runs that may be writing to the stream: flow, name and id of each."""
    return [
        f"{flow} {run.name!r} ({run.id})"
        for flow, run in _read(database_id, AT_WORK)
        if _stream_of(run) == stream
    ]


def _read(database_id: str, states: Iterable[StateType]) -> Iterator[tuple[str, FlowRun]]:
    of_database = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[database_tag(database_id)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*states])),
    )
    with named_api_failures(), get_client(sync_client=True) as client:
        for flow in WRITERS:
            runs = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
                flow_run_filter=of_database,
                sort=FlowRunSort.START_TIME_DESC,
                limit=MAX_RUNS,
            )
            yield from ((flow, run) for run in runs)


def _stream_of(run: FlowRun) -> str:
    everything = Stream().name
    return next((tag for tag in run.tags if tag.startswith("filter-")), everything)


def _described(flow: str, run: FlowRun) -> Run:
    seconds = run.total_run_time.total_seconds() or run.estimated_run_time.total_seconds()
    # Prefect's own class of times is not written as JSON.
    began = run.start_time and datetime.fromtimestamp(run.start_time.timestamp(), UTC)
    return Run(flow, run.name, run.state_name or "not known", began, seconds)
