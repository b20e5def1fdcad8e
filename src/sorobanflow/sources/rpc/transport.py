"""One HTTP call to the endpoint: a body out, a body back, failures as our errors.

Invariants: an answer never takes more memory than its limit; redirects are not followed;
no secret reaches a message or a log line.
"""

import re
import socket
import time
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
    UnknownHostError,
)
from sorobanflow.sources.rpc.connections import Connections
from sorobanflow.sources.rpc.gunzip import gunzip
from sorobanflow.sources.rpc.redaction import Redactor

BaseTransport = httpx.BaseTransport  # so that the client can name its test seam

# Not the time limit of an answer: a smaller page would not arrive sooner.
_NO_CONNECTION = (httpx.ConnectTimeout, httpx.PoolTimeout)
_TIMEOUTS = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.GATEWAY_TIMEOUT)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Limits of one HTTP call, after decompression; a trickle ends within twice `timeout_s`."""

    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    max_response_bytes: int = 64 * 2**20
    max_connections: int = 10


class Transport:
    """A pool of connections to one endpoint; shared by threads. See `RpcClient`."""

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
        headers = _checked_headers(headers or {})
        self._redactor = Redactor(url, self._url, headers.values())
        self._redactor.install()
        self.endpoint = self._redactor.endpoint
        self._connections = Connections()
        connections, timeout_s = self._settings.max_connections, self._settings.timeout_s
        self._client = httpx.Client(
            headers={**headers, "Content-Type": "application/json", "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(timeout_s, connect=self._settings.connect_timeout_s),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            transport=transport,
        )

    def post(self, method: str, body: bytes) -> bytes:
        """Send a request of an RPC method and return the body of the answer."""
        if self._connections.stopped.is_set():
            raise ClientStoppedError(method)
        try:
            return self._exchange(method, body)
        except httpx.RequestError as fault:
            error = self._failure(method, fault)
        raise error  # outside of the handler: httpx's errors hold the request and so the URL

    def clean(self, text: str) -> str:
        """Shorten what the endpoint said, and hide the secrets in it."""
        return self._redactor.clean(text)

    def stop(self) -> None:
        """Start no more calls and cut those under way; a connect ends at its time limit."""
        self._connections.stop()

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        self._connections.stopped.wait(seconds)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._redactor.remove()

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
                    f"{method}: {self.endpoint} sent {size} bytes and did not end the answer in "
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
                f"{self.clean(encoding)!r}; expected gzip or none"
            )

    def _failure(self, method: str, fault: httpx.RequestError) -> SorobanflowError:
        kind = type(fault).__name__
        if self._connections.stopped.is_set():
            return ClientStoppedError(method)
        if isinstance(fault, httpx.TimeoutException) and not isinstance(fault, _NO_CONNECTION):
            return RpcTimeoutError(f"{method}: {self.endpoint} did not answer in time ({kind})")
        text = self.clean(str(fault))
        unavailable = UnknownHostError if _has_no_address(fault) else RpcUnavailableError
        return unavailable(f"{method}: {self.endpoint} failed ({kind}: {text})")

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
            text = self.clean(start.decode("utf-8", "replace"))
            if status == httpx.codes.FORBIDDEN and text.startswith("<"):
                return RpcUnavailableError(
                    f"{said} with a web page, as gateways do that check or block a client; "
                    f"if it stays, ask the provider to admit this one. The page: {text}",
                    wait_s,
                )
            return RpcRequestError(method, status, text)
        if response.is_redirect:
            return RpcProtocolError(f"{said}; redirects are not followed: set the final URL")
        return RpcProtocolError(f"{said}; expected 200 with a body")


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


def _has_no_address(fault: BaseException | None) -> bool:
    while fault is not None and not isinstance(fault, socket.gaierror):
        fault = fault.__context__
    return fault is not None


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            "the RPC URL is not an http or https URL with a host; set one like "
            "https://host/path (the wrong one is not shown: it may hold a key)"
        )
    return parsed


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not all(text.isascii() and text.isprintable() for text in (name, value)):
            raise ConfigurationError(
                "a header of the RPC endpoint holds a character that HTTP does not allow; use "
                "printable ASCII (the header is not shown: it may be a key)"
            )
    return headers
