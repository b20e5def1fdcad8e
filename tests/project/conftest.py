"""A Prefect server as users have it: a process of its own, its data in a folder."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.services import prefect_server


@pytest.fixture(scope="session")
def server_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the server's database and log."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(server_home: Path) -> Iterator[str]:
    """Address of the API of a server that stops with the session."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with prefect_server(server_home, port) as url:
        yield f"{url}/api"
