"""What a flow run left in Prefect, for a person."""

from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact, State


def run_id_of(state: State[object]) -> UUID:
    """Give the id of the run that ended in this state."""
    assert isinstance(state, State)
    assert state.state_details.flow_run_id is not None
    return state.state_details.flow_run_id


def artifacts_of(state: State[object]) -> dict[str, Artifact]:
    """Give the newest artifact of each key that the run left."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id_of(state)]))
    with get_client(sync_client=True) as client:
        return {str(one.key): one for one in client.read_artifacts(artifact_filter=of_run)}
