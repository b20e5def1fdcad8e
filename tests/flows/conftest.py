"""A Prefect server for the whole session, and blocks that point at a test's own services."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from deployments.register_blocks import register_blocks
from flows.index import index
from sorobanflow.devnet import DevnetServer
from sorobanflow.pipeline.summary import RunSummary
from tests.flows.flow_server import FlowServer, open_flow_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def prefect_server() -> Iterator[None]:
    """A real Prefect server, without what stalls a fast test suite.

    Two of its services, and the events of this process: nothing reads them, and a
    server that comes after with them keeps the session from ending, for its end
    waits until the last one is sent, however long that takes.
    """
    settings = {
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    EventsWorker.set_client_override(NullEventsClient)
    with temporary_settings(settings), prefect_test_harness(server_startup_timeout=120):
        yield
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
