"""Ask Prefect's REST API for the last runs; of its URL only scheme, host and port are shown."""

from datetime import UTC, datetime

import httpx
import msgspec

from sorobanflow.status.model import Problem, Run

#: The flows, and the number of their runs that are read.
FLOWS = {"index": 3, "backfill": 1, "audit": 1, "export": 1}
TIMEOUT_S = 3.0


class _FlowRun(msgspec.Struct):
    name: str = ""
    state_name: str | None = None
    start_time: datetime | None = None
    total_run_time: float | None = None
    estimated_run_time: float | None = None


_flow_runs = msgspec.json.Decoder(list[_FlowRun])


def read_runs(api_url: str, api_key: str | None) -> tuple[tuple[Run, ...], tuple[Problem, ...]]:
    """Read each flow's last runs that have started, newest first, or the problem if that fails.

    Source: POST flow_runs/filter of Prefect's REST API.
    """
    try:
        url = httpx.URL(api_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        text = "PREFECT_API_URL is not an http or https URL with a host"
        return (), (Problem("prefect", text),)
    try:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S) as client:
            return tuple(run for flow in FLOWS for run in _last_runs(client, flow)), ()
    except httpx.HTTPStatusError as error:
        reason = f"HTTP {error.response.status_code}"
    except (httpx.HTTPError, ValueError, msgspec.MsgspecError) as error:
        reason = type(error).__name__  # the message may hold a header, and so the key
    endpoint = f"{url.scheme}://{url.netloc.decode()}"
    text = f"the runs cannot be read from Prefect's API at {endpoint}: {reason}"
    return (), (Problem("prefect", text),)


def _last_runs(client: httpx.Client, flow: str) -> list[Run]:
    query = {
        "flows": {"name": {"any_": [flow]}},
        "flow_runs": {"state": {"name": {"not_any_": ["Scheduled"]}}},
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": FLOWS[flow],
    }
    response = client.post("flow_runs/filter", json=query).raise_for_status()
    return [
        Run(
            flow,
            one.name,
            one.state_name or "not known",
            one.start_time and one.start_time.astimezone(UTC),
            one.total_run_time or one.estimated_run_time,
        )
        for one in _flow_runs.decode(response.content)
    ]
