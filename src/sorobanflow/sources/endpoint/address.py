"""Check the URL and the headers of an endpoint before they are used; no message repeats them."""

from collections.abc import Mapping

import httpx

from sorobanflow.errors import ConfigurationError


def checked_url(url: str) -> httpx.URL:
    """Read an http or https URL; raises ConfigurationError for any other."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            "the endpoint's URL is not an http or https URL with a host; set one like "
            "https://host/path (the wrong one is not shown: it may hold a key)"
        )
    return parsed


def shown_address(url: httpx.URL) -> str:
    """Give scheme, host and port: the rest of a URL may hold a key."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Give the headers; raises ConfigurationError if HTTP does not allow one."""
    for name, value in headers.items():
        if not all(text.isascii() and text.isprintable() for text in (name, value)):
            raise ConfigurationError(
                "a header of the endpoint holds a character that HTTP does not allow; use "
                "printable ASCII (the header is not shown: it may be a key)"
            )
    return headers
