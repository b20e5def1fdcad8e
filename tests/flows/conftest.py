"""A Prefect server for the whole session, and blocks that point at a test's own services."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prefect import results
from prefect.context import _temporary_global_settings_context, get_settings_context
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from pydantic import SecretStr

from blocks import Database, StellarRpc
from deployments.services import prefect_server as run_prefect_server
from flows.index import index
from sorobanflow.devnet import DevnetServer
from sorobanflow.pipeline.summary import RunSummary
from tests.flows.flow_server import FlowServer, open_flow_server
from tests.prefect_blocks import quick_schemas  # noqa: F401 - a fixture
from tests.prefect_home import (
    PROCESS,
    WITHOUT_BLOCKS,
    free_port,
    shared_server,
    unique_name,
)

#: What no test asks the server for, and what stalls a fast test suite.
SERVER_WITHOUT = (
    "CANCELLATION_CLEANUP",
    "EVENT_PERSISTER",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "SCHEDULER",
    "TASK_RUN_RECORDER",
    "TRIGGERS",
)


#: What the server asks of its clients; children of this process inherit it.
AUTH_STRING = "admin:planted-password"


@pytest.fixture(scope="session", autouse=True)
def prefect_server(
    prefect_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A real Prefect server, without most of its services, logs and events of this process.

    It wants a password, so every flow and program of these tests shows that it sends one.
    No test reads logs or events from the server, and a server that falls behind with events
    keeps the session from ending: its end waits until the last one is sent.
    """
    EventsWorker.set_client_override(NullEventsClient)
    without = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in SERVER_WITHOUT}
    without |= WITHOUT_BLOCKS
    with ExitStack() as stack:
        lasting = stack.enter_context(pytest.MonkeyPatch.context())
        lasting.setenv("PREFECT_API_AUTH_STRING", AUTH_STRING)
        # Each run asks twice where results are kept. None is: a tenth of all requests.
        lasting.setattr(results, "_read_server_default_result_storage_block_id", lambda: None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_SERVER_API_AUTH_STRING", AUTH_STRING)
            for name, value in without.items():
                patch.setenv(name, value)
            folder = tmp_path_factory.getbasetemp()
            folder = folder.parent if PROCESS else folder
            start = partial(run_prefect_server, prefect_home(), free_port())
            url = stack.enter_context(shared_server(folder, start))
        settings = {
            PREFECT_API_URL: f"{url}/api",
            PREFECT_API_AUTH_STRING: AUTH_STRING,
            PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
            PREFECT_LOGGING_TO_API_ENABLED: False,
        }
        stack.enter_context(temporary_settings(settings))
        # Threads that a test starts have no context of their own, and take the global one.
        stack.enter_context(_temporary_global_settings_context(get_settings_context()))
        yield
    EventsWorker.set_client_override(None)


@pytest.fixture(scope="session")
def flow_server(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlowServer]:
    """Start flows in processes of their own, one after the other or at once."""
    log = tmp_path_factory.mktemp("flows") / "log"
    without = ("PREFECT_LOGGING_TO_API_ENABLED", "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED")
    variables = dict.fromkeys(without, "false")
    with open_flow_server(PREFECT_API_URL.value() or "", log, events=False, **variables) as server:
        yield server


@pytest.fixture
def save_blocks(database_url: str) -> Callable[[str], dict[str, str]]:
    """Save blocks for an RPC URL and the test's database; gives the flow's parameters."""

    def save(rpc_url: str) -> dict[str, str]:
        name = unique_name("test")
        StellarRpc(url=SecretStr(rpc_url)).save(name)
        Database(url=SecretStr(database_url)).save(name)
        return {"rpc": name, "database": name}

    return save


@pytest.fixture
def serve() -> Iterator[Callable[..., DevnetServer]]:
    """Start a devnet that stops with the test."""
    with ExitStack() as stack:
        yield lambda chain, **options: stack.enter_context(DevnetServer(chain, **options))


@pytest.fixture
def run_index(save_blocks: Callable[[str], dict[str, str]]) -> Callable[..., RunSummary]:
    """Run the flow from a devnet into the test's database."""

    def run(server: DevnetServer, **parameters: Any) -> RunSummary:
        summary: Any = index(**save_blocks(server.url), **parameters)
        return summary  # type: ignore[no-any-return]

    return run
