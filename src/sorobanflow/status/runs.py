"""Ask Prefect's REST API for the last runs of the flows, by plain HTTP.

Stands beside the reading of node and database: Prefect holds the history of
runs and no progress, so a status without it is whole. No redirects are
followed, and nothing of the URL but scheme, host and port is shown.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

import msgspec

from sorobanflow.status.model import Problem, Run

#: The flows asked for, and how many of their runs.
FLOWS = {"index": 3, "backfill": 1, "audit": 1, "export": 1}
TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 2**20

_CONNECTIONS = {"http": HTTPConnection, "https": HTTPSConnection}


class _FlowRun(msgspec.Struct):
    name: str = ""
    state_name: str | None = None
    start_time: datetime | None = None
    total_run_time: float | None = None
    estimated_run_time: float | None = None


_answer = msgspec.json.Decoder(list[_FlowRun])


def read_runs(api_url: str, api_key: str | None = None) -> tuple[Run, ...] | Problem:
    """Read the last runs of each flow, those that are only scheduled left out.

    Args:
        api_url: Prefect's API, as in PREFECT_API_URL.
        api_key: Sent as bearer; never shown.

    Returns:
        The runs, newest first within a flow; or why there are none.

    Source: POST flow_runs/filter of Prefect's REST API.
    """
    try:
        url = urlsplit(api_url)
        endpoint = f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")
    except ValueError:
        url, endpoint = urlsplit(""), ""
    if url.scheme not in _CONNECTIONS or not url.hostname:
        return Problem("prefect", "PREFECT_API_URL is not an http or https URL with a host")
    headers = {"Content-Type": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    try:
        return tuple(run for flow, most in FLOWS.items() for run in _ask(url, headers, flow, most))
    except _Refused as error:
        why = str(error)
    except OSError as error:
        why = error.strerror or type(error).__name__
    except (HTTPException, ValueError, msgspec.MsgspecError) as error:
        why = type(error).__name__  # its words may hold the header, and so the key
    return Problem("prefect", f"Prefect's API at {endpoint} does not tell of runs: {why}")


class _Refused(Exception):
    """An answer other than 200, or too long a one."""


def _ask(url: SplitResult, headers: Mapping[str, str], flow: str, most: int) -> list[Run]:
    wanted = {
        "flows": {"name": {"any_": [flow]}},
        "flow_runs": {"state": {"name": {"not_any_": ["Scheduled"]}}},
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": most,
    }
    connection = _CONNECTIONS[url.scheme](url.hostname or "", url.port, timeout=TIMEOUT_S)
    try:
        path = f"{url.path.rstrip('/')}/flow_runs/filter"
        connection.request("POST", path, msgspec.json.encode(wanted), headers)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise _Refused(f"HTTP {response.status}")
        said = response.read(MAX_ANSWER_BYTES + 1)
    finally:
        connection.close()
    if len(said) > MAX_ANSWER_BYTES:
        raise _Refused("too long an answer")
    return [_run(flow, one) for one in _answer.decode(said)]


def _run(flow: str, one: _FlowRun) -> Run:
    started = one.start_time and one.start_time.astimezone(UTC)
    seconds = one.total_run_time or one.estimated_run_time
    return Run(flow, one.name, one.state_name or "not known", started, seconds)
