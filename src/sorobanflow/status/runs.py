"""Ask Prefect's REST API for the last runs; of its URL only scheme, host and port are shown."""

import base64
from datetime import UTC, datetime

import httpx
import msgspec

from sorobanflow.status.model import Problem, Run

#: The flows, and the number of their runs that are read.
FLOWS = {"index": 3, "backfill": 1, "audit": 1, "export": 1}
TIMEOUT_S = 3.0
_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class _FlowRun(msgspec.Struct):
    name: str = ""
    state_name: str | None = None
    start_time: datetime | None = None
    total_run_time: float | None = None
    estimated_run_time: float | None = None


_flow_runs = msgspec.json.Decoder(list[_FlowRun])


def read_runs(
    api_url: str, api_key: str | None, auth_string: str | None = None
) -> tuple[tuple[Run, ...], tuple[Problem, ...]]:
    """Read each flow's last runs that have started, newest first, or the problem if that fails.

    The auth string counts if both are given, as for Prefect itself.

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
        headers = _credentials(api_key, auth_string)
        with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S) as client:
            return tuple(run for flow in FLOWS for run in _last_runs(client, flow)), ()
    except httpx.HTTPStatusError as error:
        reason = f"HTTP {error.response.status_code}"
        if error.response.status_code in _REFUSED:
            reason += ": set PREFECT_API_AUTH_STRING to user:password as the server has it"
    except httpx.ConnectError:
        reason = "nothing answers; `make ui` starts a server"
    except (httpx.HTTPError, ValueError, msgspec.MsgspecError) as error:
        reason = type(error).__name__  # the message may hold a header, and so the key
    endpoint = f"{url.scheme}://{url.netloc.decode()}"
    text = f"the runs cannot be read from Prefect's API at {endpoint}: {reason}"
    return (), (Problem("prefect", text),)


def _credentials(api_key: str | None, auth_string: str | None) -> dict[str, str]:
    if auth_string:
        token = base64.b64encode(auth_string.encode()).decode()
        return {"Authorization": f"Basic {token}"}
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


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
