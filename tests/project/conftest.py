"""A Prefect server as users have it: a process of its own, its data in a folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deployments.services import prefect_server
from tests.flows.flow_server import FlowServer, open_flow_server
from tests.prefect_blocks import quick_schemas  # noqa: F401 - a fixture
from tests.prefect_home import WITHOUT_BLOCKS, free_port

EVERYTHING_LOGGED = {"PREFECT_LOGGING_ROOT_LEVEL": "DEBUG", "PREFECT_LOGGING_LEVEL": "DEBUG"}


@pytest.fixture(scope="session")
def server_home(prefect_home: Callable[[], Path]) -> Path:
    """Folder of the server's database and log."""
    return prefect_home()


@pytest.fixture(scope="session")
def prefect_api(server_home: Path) -> Iterator[str]:
    """Address of the API of a server that stops with the session."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in WITHOUT_BLOCKS.items():
                patch.setenv(name, value)
            url = stack.enter_context(prefect_server(server_home, free_port()))
        yield f"{url}/api"


@pytest.fixture(scope="session")
def flows(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowServer]:
    """Runs flows in processes of their own, which log all that every library says."""
    log = tmp_path_factory.mktemp("flows") / "log"
    with open_flow_server(prefect_api, log, events=True, **EVERYTHING_LOGGED) as server:
        yield server
