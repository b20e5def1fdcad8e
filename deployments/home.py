"""What commands work with: the folder with `.sorobanflow`, and a Prefect server."""

import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deployments.local import PREFECT_HOME, UI_PORT, port_of
from deployments.services import (
    PREFECT_SETTINGS,
    WITHOUT_WORKERS,
    Wait,
    interrupt_on_signals,
    server_answers,
    starting_prefect_server,
)
from flows.harness.home import enter_home
from sorobanflow.errors import ConfigurationError


@contextmanager
def connecting() -> Iterator[Wait]:
    """Enter home, with a Prefect API: the user's, the local server, or one for this command.

    Prefect is to be imported within this, which sets its settings. What is given waits for the
    server, and gives the address of its UI.
    """
    enter_home()
    if api_url := _api_of_user():
        yield lambda: api_url.removesuffix("/api")
        return
    interrupt_on_signals()  # whatever ends the command, its server ends too
    home, url = PREFECT_HOME.resolve(), _local_server()
    home.mkdir(parents=True, exist_ok=True)
    if not server_answers(url):
        print(f"starting a Prefect server for this command ({url})", file=sys.stderr)
    with starting_prefect_server(home, port_of("UI_PORT", UI_PORT), WITHOUT_WORKERS) as wait:
        os.environ |= {"PREFECT_API_URL": f"{url}/api", "PREFECT_HOME": str(home)}
        yield wait


def use_running_api(*, required: bool = True) -> None:
    """Enter home, with the user's Prefect API or the local server, if it runs.

    Raises:
        ConfigurationError: there is none, and it is required.
    """
    enter_home()
    url = _local_server()
    if api_url := _api_of_user():
        os.environ["PREFECT_API_URL"] = api_url
    elif server_answers(url):
        os.environ["PREFECT_API_URL"] = f"{url}/api"
    elif required:
        raise ConfigurationError(
            f"no Prefect server answers at {url}, and PREFECT_API_URL is not set; "
            "start one with `sorobanflow ui`"
        )


def _local_server() -> str:
    return f"http://127.0.0.1:{port_of('UI_PORT', UI_PORT)}"


def _api_of_user() -> str | None:
    """Give the API that the environment or Prefect's active profile names; prepare to use it."""
    os.environ.update(PREFECT_SETTINGS)
    return os.environ.get("PREFECT_API_URL") or _api_of_profile()


def _api_of_profile() -> str | None:
    folder = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    with suppress(OSError, ValueError):  # Prefect says what is wrong with a file
        profiles = tomllib.loads((folder / "profiles.toml").read_text())
        active = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
        settings: dict[str, str] = profiles["profiles"].get(active, {})
        return settings.get("PREFECT_API_URL")
    return None
