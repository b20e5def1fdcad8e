"""Ask Prefect's REST API for the last runs; of its URL only scheme, host and port are shown.

Runs of another database are left out: each run is tagged with its database once it has
opened it. Runs that ended before count for every database.
"""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import msgspec

from sorobanflow.status.model import DATABASE_TAG, Problem, Run, Status, database_tag

#: The flows, and the number of their runs that are read.
FLOWS = {"index": 3, "backfill": 1, "audit": 1, "export": 1}
TIMEOUT_S = 3.0
#: Runs among which those without a database are looked for.
MAX_UNTAGGED = 20
_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class _FlowRun(msgspec.Struct):
    name: str = ""
    state_name: str | None = None
    start_time: datetime | None = None
    total_run_time: float | None = None
    estimated_run_time: float | None = None
    tags: list[str] = []

    @property
    def is_of_any_database(self) -> bool:
        return any(tag.startswith(DATABASE_TAG) for tag in self.tags)


_NEVER = datetime.min.replace(tzinfo=UTC)
_flow_runs = msgspec.json.Decoder(list[_FlowRun])


def with_runs(
    status: Status, api_url: str, api_key: str | None, auth_string: str | None = None
) -> Status:
    """Add the last runs of the status' database, or of all if it cannot be read."""
    database_id = status.database.id if status.database else None
    runs, problems = read_runs(api_url, api_key, auth_string, database_id)
    return replace(status, runs=runs, problems=(*status.problems, *problems))


def read_runs(
    api_url: str,
    api_key: str | None,
    auth_string: str | None = None,
    database_id: str | None = None,
) -> tuple[tuple[Run, ...], tuple[Problem, ...]]:
    """Read each flow's last runs that have started, newest first, or the problem if that fails.

    `database_id`: without runs of other databases; None: all. The auth string counts if key and
    auth string are given, as for Prefect itself.

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
            return tuple(run for flow in FLOWS for run in _last_runs(client, flow, database_id)), ()
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


def _last_runs(client: httpx.Client, flow: str, database_id: str | None) -> list[Run]:
    if database_id is None:
        found = _read(client, flow, FLOWS[flow])
    else:
        found = _read(client, flow, FLOWS[flow], [database_tag(database_id)])
        found += [run for run in _read(client, flow, MAX_UNTAGGED) if not run.is_of_any_database]
        found.sort(key=lambda run: run.start_time or _NEVER, reverse=True)
    return [
        Run(
            flow,
            one.name,
            one.state_name or "not known",
            one.start_time and one.start_time.astimezone(UTC),
            one.total_run_time or one.estimated_run_time,
        )
        for one in found[: FLOWS[flow]]
    ]


def _read(
    client: httpx.Client, flow: str, limit: int, tags: list[str] | None = None
) -> list[_FlowRun]:
    """Read the last runs of a flow, newest first; `tags`: that have all of these."""
    runs: dict[str, object] = {"state": {"name": {"not_any_": ["Scheduled"]}}}
    query = {
        "flows": {"name": {"any_": [flow]}},
        "flow_runs": runs | ({"tags": {"all_": tags}} if tags else {}),
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": limit,
    }
    response = client.post("flow_runs/filter", json=query).raise_for_status()
    return _flow_runs.decode(response.content)
