"""Check the addresses of the environment before anything is saved or started.

Invariant: imports neither Prefect nor SQLAlchemy, and no message repeats an address: it may hold
a password or a key.
"""

from collections.abc import Mapping

import msgspec

from sorobanflow.errors import ConfigurationError

NOTIFY_URL = "SOROBANFLOW_NOTIFY_URL"
RPC_URL, RPC_HEADERS = "SOROBANFLOW_RPC_URL", "SOROBANFLOW_RPC_HEADERS"
DATABASE_URL, LAKE_URL = "SOROBANFLOW_DATABASE_URL", "SOROBANFLOW_LAKE_URL"

_HTTP = "an http or https URL with a host, such as https://host/path"
_POSTGRESQL = "postgresql://user@host:port/database, or a libpq string of key=value pairs"
_LAKE = "a folder, or a URL with file, http, https, s3 or gs"


def check_addresses(environment: Mapping[str, str]) -> None:
    """Check what the blocks are saved from.

    Raises:
        ConfigurationError: an address, or the headers, cannot be used.
    """
    if url := environment.get(RPC_URL):
        check_http(RPC_URL, url)
    if url := environment.get(DATABASE_URL):
        check_database(DATABASE_URL, url)
    if url := environment.get(LAKE_URL):
        check_lake(LAKE_URL, url)
    rpc_headers(environment)


def rpc_headers(environment: Mapping[str, str]) -> dict[str, str]:
    """Give the headers for the node; ConfigurationError if they are not valid."""
    from sorobanflow.sources.endpoint.address import checked_headers  # noqa: PLC0415 - httpx

    text = environment.get(RPC_HEADERS)
    try:
        headers = msgspec.json.decode(text, type=dict[str, str]) if text else {}
    except msgspec.MsgspecError:
        raise ConfigurationError(
            f"{RPC_HEADERS} is not a JSON object of header names and values"
        ) from None
    checked_headers(headers)
    return headers


def notify_url(environment: Mapping[str, str]) -> str:
    """Give the webhook's address; ConfigurationError if it is missing or not valid."""
    url = environment.get(NOTIFY_URL)
    if not url:
        raise ConfigurationError(f"{NOTIFY_URL} is not set; set it to the webhook's address")
    check_http(NOTIFY_URL, url)
    return url


def check_http(variable: str, url: str) -> None:
    """Raise ConfigurationError unless it is a URL of HTTP."""
    from sorobanflow.sources.endpoint.address import checked_url  # noqa: PLC0415 - httpx

    try:
        checked_url(url)
    except ConfigurationError:
        raise _wrong(variable, url, _HTTP) from None


def check_database(variable: str, url: str) -> None:
    """Raise ConfigurationError unless libpq can read it."""
    import psycopg.conninfo  # noqa: PLC0415 - help is to be quick

    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise _wrong(variable, url, _POSTGRESQL) from None


def check_lake(variable: str, url: str) -> None:
    """Raise ConfigurationError unless it is a folder or a URL of a lake.

    A bucket is not opened: that takes the credentials of the block.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("http", "https"):
        check_http(variable, url)
    elif separator and (scheme not in ("file", "s3", "gs") or not rest.strip("/")):
        raise _wrong(variable, url, _LAKE)


def _wrong(variable: str, url: str, expected: str) -> ConfigurationError:
    scheme, separator, rest = url.partition("://")
    is_scheme = bool(separator) and scheme.isascii() and scheme.isalnum()
    got = f"begins with {scheme[:20]}://" if is_scheme else "has no scheme"
    got += ", and nothing follows" if is_scheme and not rest else ""
    return ConfigurationError(
        f"{variable} {got}; expected {expected} (the rest is not shown: it may hold a secret)"
    )
