"""One HTTP call to the endpoint: a body out, a body back, faults as our errors.

The only module that imports httpx. Stands under the client, which owns meaning,
retries and breakers. Invariants: an answer never takes more memory than its
bound, redirects are not followed, and nothing of the URL but scheme, host and
port, and no header, reaches a message or a log line: hosted nodes carry their
key in the path.
"""

import logging
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from sorobanflow.errors import (
    AnswerTooLargeError,
    ClientStoppedError,
    ConfigurationError,
    RateLimitedError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.sources.rpc.connections import Connections
from sorobanflow.sources.rpc.gunzip import gunzip

BaseTransport = httpx.BaseTransport  # so that the client can name its test seam

TEXT_LIMIT = 300
# No time limit of an answer: a smaller page would not come sooner.
_NO_CONNECTION = (httpx.ConnectTimeout, httpx.PoolTimeout)
_TIMEOUTS = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.GATEWAY_TIMEOUT)
_SHORTEST_SECRET = 6
# httpx logs URLs and the answers' reasons; httpcore, at DEBUG, the answers' headers.
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Bounds of one HTTP call.

    Args:
        timeout_s: Seconds for a call; also the longest silence, so a call that
            trickles ends before twice that.
        connect_timeout_s: Seconds to connect.
        max_response_bytes: Largest answer, after decompression.
        max_connections: Connections kept alive; one per worker.
    """

    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    max_response_bytes: int = 64 * 2**20
    max_connections: int = 10


class Transport:
    """A pool of connections to one endpoint; shared by threads.

    Args:
        url: The endpoint, http or https; may hold a key.
        headers: Sent with every call; may hold a key.
        settings: Bounds of a call.
        transport: Stands in for the network in tests.
        clock: Monotonic seconds.

    Raises:
        ConfigurationError: the URL or a header cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        settings: HttpSettings | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or HttpSettings()
        self._url = _checked_url(url)
        self._clock = clock
        self._secrets = _secrets(url, self._url, _checked_headers(headers or {}))
        self.endpoint = _endpoint(self._url)
        self._log_filter = _HideSecrets(self._url, self.endpoint, self._hide)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._log_filter)
        self._connections = Connections()
        connections = self._settings.max_connections
        self._client = httpx.Client(
            headers={
                **(headers or {}),
                "Content-Type": "application/json",
                "Accept-Encoding": "gzip",
            },
            timeout=httpx.Timeout(
                self._settings.timeout_s, connect=self._settings.connect_timeout_s
            ),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            transport=transport,
        )

    def post(self, method: str, body: bytes) -> bytes:
        """Send a request of an RPC method and give the body of the answer.

        Raises:
            RpcTimeoutError: no answer in time, HTTP 408 or 504.
            RpcUnavailableError: no connection, a cut answer, another HTTP 5xx.
            RateLimitedError: HTTP 429.
            RpcRequestError: another HTTP 4xx.
            RpcProtocolError: a redirect, no content, or an encoding that was not asked for.
            AnswerTooLargeError: the answer exceeds its bound.
            ClientStoppedError: `stop` was called, before or during the call.
        """
        if self._connections.stopped.is_set():
            raise ClientStoppedError(method)
        # Raised outside of the handlers: httpx's errors hold the request and so the URL.
        error: SorobanflowError
        try:
            return self._exchange(method, body)
        except httpx.RequestError as fault:
            error = self._failure(method, fault)
        raise error

    def clean(self, text: str) -> str:
        """Shorten what the endpoint said, and take our secrets out of it."""
        text = " ".join(self._hide(text).split())
        return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def stop(self) -> None:
        """Start no more calls and cut those under way; a connect ends at its time limit."""
        self._connections.stop()

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        self._connections.stopped.wait(seconds)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._log_filter)

    def _exchange(self, method: str, body: bytes) -> bytes:
        deadline = self._clock() + self._settings.timeout_s
        traced = {"trace": self._connections.trace}
        with self._client.stream("POST", self._url, content=body, extensions=traced) as response:
            if response.status_code != httpx.codes.OK:
                raise self._refusal(method, response)
            return self._read(method, response, deadline)

    def _read(self, method: str, response: httpx.Response, deadline: float) -> bytes:
        limit = self._settings.max_response_bytes
        parts: list[bytes] = []
        size = 0
        for part in self._decompressed(method, response):
            size += len(part)
            if size > limit:
                raise AnswerTooLargeError(method, limit)
            if self._clock() > deadline:
                raise RpcTimeoutError(
                    f"{method}: {self.endpoint} sent {size} bytes and did not end in "
                    f"{self._settings.timeout_s:g} s"
                )
            parts.append(part)
        return b"".join(parts)

    def _decompressed(self, method: str, response: httpx.Response) -> Iterator[bytes]:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        assert isinstance(response.stream, httpx.SyncByteStream)
        if encoding == "identity":
            yield from response.stream
        elif encoding == "gzip":
            try:
                yield from gunzip(response.stream)
            except ValueError as error:
                raise httpx.DecodingError(str(error)) from None
        else:
            raise RpcProtocolError(
                f"{method}: {self.endpoint} answered with the Content-Encoding "
                f"{self.clean(encoding)!r}; wanted gzip or none"
            )

    def _failure(self, method: str, fault: httpx.RequestError) -> SorobanflowError:
        kind = type(fault).__name__
        if self._connections.stopped.is_set():
            return ClientStoppedError(method)
        if isinstance(fault, httpx.TimeoutException) and not isinstance(fault, _NO_CONNECTION):
            return RpcTimeoutError(f"{method}: {self.endpoint} gave no answer in time ({kind})")
        text = self.clean(str(fault))
        return RpcUnavailableError(f"{method}: {self.endpoint} failed ({kind}: {text})")

    def _refusal(self, method: str, response: httpx.Response) -> SorobanflowError:
        status = response.status_code
        said = f"{method}: {self.endpoint} answered HTTP {status}"
        wait_s = retry_after_s(response.headers.get("Retry-After", ""))
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return RateLimitedError(said, wait_s)
        if status in _TIMEOUTS:
            return RpcTimeoutError(said, wait_s)
        if response.is_server_error:
            return RpcUnavailableError(said, wait_s)
        if response.is_client_error:
            start = next(self._decompressed(method, response), b"")[:4096]
            return RpcRequestError(method, status, self.clean(start.decode("utf-8", "replace")))
        if response.is_redirect:
            return RpcProtocolError(f"{said}; redirects are not followed, set the final URL")
        return RpcProtocolError(f"{said}; wanted 200 with a body")


class _HideSecrets(logging.Filter):
    """Takes our secrets out of the log lines that the HTTP libraries write per call."""

    def __init__(self, url: httpx.URL, endpoint: str, hide: Callable[[str], str]) -> None:
        super().__init__()
        self._url = url
        self._endpoint = endpoint
        self._hide = hide

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, without the URL and whatever of it an answer repeats."""
        record.msg = self._hide(str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(map(self._hidden, record.args))
        return True

    def _hidden(self, value: object) -> object:
        if value == self._url:
            return self._endpoint
        return self._hide(value) if isinstance(value, str) else value


def retry_after_s(text: str, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date; None if it is neither."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            "the RPC URL is not an http or https URL with a host (not shown: it may hold a key)"
        )
    return parsed


def _checked_headers(headers: Mapping[str, str]) -> list[str]:
    for name, value in headers.items():
        if not (name.isascii() and name.isprintable() and value.isascii() and value.isprintable()):
            raise ConfigurationError(
                "a header of the RPC endpoint holds a character that HTTP headers cannot "
                "(not shown: it may be a key); wanted printable ASCII"
            )
    return list(headers.values())


def _secrets(text: str, url: httpx.URL, header_values: list[str]) -> list[str]:
    target = url.raw_path.decode("ascii", "replace")
    path = target.partition("?")[0]
    parts = [*path.split("/"), *url.path.split("/"), *url.params.values()]
    words = [word for value in header_values for word in value.split()]
    basic = b64encode(f"{url.username}:{url.password}".encode()).decode()
    login = [url.username, url.password, basic]
    found = {text, str(url), target, path, url.path, *parts, *login, *header_values, *words}
    # Shorter ones are words like "rpc" and "v1", whose removal would spoil messages.
    return sorted((one for one in found if len(one) >= _SHORTEST_SECRET), key=len, reverse=True)


def _endpoint(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")
