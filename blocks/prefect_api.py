"""Prefect's API: the address in use, and its failures as errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_API_URL

from sorobanflow.errors import ConfigurationError, PrefectUnavailableError

_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_START = "start a server with `sorobanflow ui`"


def require_api() -> None:
    """Raise ConfigurationError if no server is set: Prefect would start one for this run only."""
    if not PREFECT_API_URL.value():
        raise ConfigurationError(
            "PREFECT_API_URL is not set: set it to your Prefect server's address, with /api, or "
            "use the command `sorobanflow` (`sorobanflow index`), which starts one if none answers"
        )


@contextmanager
def named_api_failures() -> Iterator[None]:
    """Raise failures of Prefect's API as errors that say what helps; others pass unchanged.

    They are PrefectUnavailableError and, for wrong credentials, ConfigurationError.
    """
    try:
        yield
    except (httpx.HTTPError, RuntimeError) as error:
        failure = error.__cause__ if _is_wrapper(error) else error
        if not isinstance(failure, httpx.HTTPError):
            raise
        named = _named(failure)
        if named is None:
            raise
        raise named from error


def _is_wrapper(error: Exception) -> bool:
    """Whether it is what Prefect makes of a failure of its first call."""
    return isinstance(error, RuntimeError) and str(error).startswith("Failed to reach API")


def _named(failure: httpx.HTTPError) -> Exception | None:
    url = httpx.URL(PREFECT_API_URL.value() or "")
    endpoint = f"{url.scheme}://{url.netloc.decode()}"
    if not isinstance(failure, httpx.HTTPStatusError):
        # The message may hold a header, and so a key.
        return PrefectUnavailableError(endpoint, type(failure).__name__, _START)
    status = failure.response.status_code
    if status in _REFUSED:
        return ConfigurationError(
            f"Prefect's API at {endpoint} refuses the credentials (HTTP {status}); set "
            "PREFECT_API_AUTH_STRING to user:password as the server has it, or PREFECT_API_KEY"
        )
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return PrefectUnavailableError(endpoint, f"HTTP {status}", "see the server's log")
    return None
