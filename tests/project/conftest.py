"""A Prefect server as users have it: a process of its own, its data in a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.services import prefect_server
from tests.prefect_home import free_port


@pytest.fixture(scope="session")
def server_home(prefect_home: Callable[[], Path]) -> Path:
    """Folder of the server's database and log."""
    return prefect_home()


@pytest.fixture(scope="session")
def prefect_api(server_home: Path) -> Iterator[str]:
    """Address of the API of a server that stops with the session."""
    with prefect_server(server_home, free_port()) as url:
        yield f"{url}/api"
