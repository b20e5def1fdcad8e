"""A Prefect server for the whole session, and blocks that point at a test's own services."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from deployments.register_blocks import register_blocks
from deployments.services import prefect_server as run_prefect_server
from flows.index import index
from sorobanflow.devnet import DevnetServer
from sorobanflow.pipeline.summary import RunSummary
from tests.flows.flow_server import FlowServer, open_flow_server
from tests.prefect_home import free_port

_numbers = itertools.count(1)


#: What no test asks the server for, and what stalls a fast test suite.
SERVER_WITHOUT = (
    "CANCELLATION_CLEANUP",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "SCHEDULER",
    "TASK_RUN_RECORDER",
    "TRIGGERS",
)


@pytest.fixture(scope="session", autouse=True)
def prefect_server(prefect_home: Callable[[], Path]) -> Iterator[None]:
    """A real Prefect server, without most of its services and without events of this process.

    Nothing reads the events, and a server that falls behind with them keeps the session from
    ending: its end waits until the last one is sent, however long that takes.
    """
    EventsWorker.set_client_override(NullEventsClient)
    without = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in SERVER_WITHOUT}
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in without.items():
                patch.setenv(name, value)
            url = stack.enter_context(run_prefect_server(prefect_home(), free_port()))
        settings = {PREFECT_API_URL: f"{url}/api", PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        stack.enter_context(temporary_settings(settings))
        yield
        APILogWorker.drain_all()  # while there is a server that takes what was logged
    EventsWorker.set_client_override(None)


@pytest.fixture(scope="session")
def flow_server(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlowServer]:
    """Start flows in processes of their own, one after the other or at once."""
    log = tmp_path_factory.mktemp("flows") / "log"
    with open_flow_server(PREFECT_API_URL.value() or "", log) as server:
        yield server


@pytest.fixture
def save_blocks(database_url: str) -> Callable[[str], dict[str, str]]:
    """Save blocks for an RPC URL and the test's database; gives the flow's parameters."""

    def save(rpc_url: str) -> dict[str, str]:
        name = f"test-{next(_numbers)}"
        register_blocks(
            {
                "SOROBANFLOW_BLOCK": name,
                "SOROBANFLOW_RPC_URL": rpc_url,
                "SOROBANFLOW_DATABASE_URL": database_url,
            }
        )
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
