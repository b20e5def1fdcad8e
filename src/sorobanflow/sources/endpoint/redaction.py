"""Take the secrets of the endpoint out of texts: its URL, its login and its headers.

Invariant: of the URL only scheme, host and port are shown, since hosted nodes carry
their key in the path.
"""

import logging
from base64 import b64encode
from collections.abc import Iterable

import httpx

from sorobanflow.sources.endpoint.address import shown_address

TEXT_LIMIT = 300
_MIN_SECRET = 6  # shorter ones are words like "rpc" and "v1"; messages need those
# httpx logs URLs and the reasons of answers; httpcore, at DEBUG, the headers of answers.
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")


class Redactor(logging.Filter):
    """Knows the secrets of one endpoint; a filter of logs between `install` and `remove`."""

    def __init__(self, text: str, url: httpx.URL, header_values: Iterable[str]) -> None:
        super().__init__()
        self._url = url
        self._secrets = _secrets(text, url, [*header_values])
        self.endpoint = shown_address(url)

    def install(self) -> None:
        """Filter the log lines of the HTTP libraries."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def remove(self) -> None:
        """End what `install` began."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def clean(self, text: str) -> str:
        """Shorten what the endpoint said, and hide the secrets in it."""
        text = " ".join(self._hide(text).split())
        return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, without the secrets."""
        record.msg = self._hide(str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(map(self._hidden, record.args))
        return True

    def _hidden(self, value: object) -> object:
        if isinstance(value, httpx.URL) and value.netloc == self._url.netloc:
            return self.endpoint
        return self._hide(value) if isinstance(value, str) else value

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _secrets(text: str, url: httpx.URL, header_values: list[str]) -> list[str]:
    """List what must not be shown, the longest first."""
    target = url.raw_path.decode("ascii", "replace")
    path = target.partition("?")[0]
    parts = [*path.split("/"), *url.path.split("/"), *url.params.values()]
    words = [word for value in header_values for word in value.split()]
    basic = b64encode(f"{url.username}:{url.password}".encode()).decode()
    login = [url.username, url.password, basic]
    found = {text, str(url), target, path, url.path, *parts, *login, *header_values, *words}
    return sorted((one for one in found if len(one) >= _MIN_SECRET), key=len, reverse=True)
