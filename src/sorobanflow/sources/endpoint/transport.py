"""One HTTP call to an endpoint, POST or GET: a body back, failures as our errors.

Invariants: an answer never takes more memory than its limit; redirects are not followed;
no secret reaches a message or a log line.
"""

import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from sorobanflow.errors import (
    AnswerTooLargeError,
    ClientStoppedError,
    RateLimitedError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
    SorobanflowError,
    UnknownHostError,
)
from sorobanflow.sources.endpoint.address import checked_headers, checked_url
from sorobanflow.sources.endpoint.connections import Connections
from sorobanflow.sources.endpoint.gunzip import gunzip
from sorobanflow.sources.endpoint.redaction import Redactor

BaseTransport = httpx.BaseTransport  # so that the client can name its test seam
ReadBody = Callable[[httpx.Response, float], bytes]  # until a deadline

# Not the time limit of an answer: a smaller page would not arrive sooner.
_NO_CONNECTION = (httpx.ConnectTimeout, httpx.PoolTimeout)
_TIMEOUTS = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.GATEWAY_TIMEOUT)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_POST = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
_GET = {"Accept-Encoding": "identity"}
_FIRST_BYTE = {**_GET, "Range": "bytes=0-0"}


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Limits of one HTTP call, after decompression; a trickle ends within twice `timeout_s`."""

    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    max_response_bytes: int = 64 * 2**20
    max_connections: int = 10


class Transport:
    """A pool of connections to one endpoint; shared by threads. See `RpcClient`.

    Its errors are those of `errors.EndpointError` and of a request that is refused.
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
        self._url = checked_url(url)
        self._clock = clock
        headers = checked_headers(headers or {})
        self._redactor = Redactor(url, self._url, headers.values())
        self._redactor.install()
        self.endpoint = self._redactor.endpoint
        self._connections = Connections()
        connections, timeout_s = self._settings.max_connections, self._settings.timeout_s
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=self._settings.connect_timeout_s),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            transport=transport,
        )

    def post(self, method: str, body: bytes) -> bytes:
        """Send a request of an RPC method and return the body of the answer."""

        def read(response: httpx.Response, deadline: float) -> bytes:
            parts = self._decompressed(method, response)
            return self._read(method, parts, self._settings.max_response_bytes, deadline)

        request = self._client.build_request("POST", self._url, content=body, headers=_POST)
        return self._call(method, request, read)

    def get(self, name: str, url: httpx.URL, max_bytes: int) -> bytes:
        """Get what is at a URL of the endpoint, as it is stored there; `name` is for errors."""

        def read(response: httpx.Response, deadline: float) -> bytes:
            return self._read(name, response.iter_raw(), max_bytes, deadline)

        return self._call(name, self._client.build_request("GET", url, headers=_GET), read)

    def touch(self, name: str, url: httpx.URL) -> None:
        """Ask for the first byte at a URL and read nothing; the status says whether it is there.

        Not by HEAD, which some servers refuse.
        """
        request = self._client.build_request("GET", url, headers=_FIRST_BYTE)
        self._call(name, request, lambda response, deadline: b"")

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

    def _call(self, name: str, request: httpx.Request, read: ReadBody) -> bytes:
        if self._connections.stopped.is_set():
            raise ClientStoppedError(name)
        try:
            return self._exchange(name, request, read)
        except httpx.RequestError as fault:
            error = self._failure(name, fault)
        raise error  # outside of the handler: httpx's errors hold the request and so the URL

    def _exchange(self, name: str, request: httpx.Request, read: ReadBody) -> bytes:
        deadline = self._clock() + self._settings.timeout_s
        request.extensions["trace"] = self._connections.trace
        response = self._client.send(request, stream=True)
        try:
            is_part = response.status_code == httpx.codes.PARTIAL_CONTENT
            if response.status_code != httpx.codes.OK and not (
                is_part and "Range" in request.headers
            ):
                raise self._refusal(name, response)
            return read(response, deadline)
        finally:
            response.close()

    def _read(self, name: str, parts: Iterable[bytes], max_bytes: int, deadline: float) -> bytes:
        read: list[bytes] = []
        size = 0
        for part in parts:
            size += len(part)
            if size > max_bytes:
                raise AnswerTooLargeError(name, max_bytes)
            if self._clock() > deadline:
                raise RpcTimeoutError(
                    f"{name}: {self.endpoint} sent {size} bytes and did not end the answer in "
                    f"{self._settings.timeout_s:g} s"
                )
            read.append(part)
        return b"".join(read)

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
            is_page = text.startswith("<") and response.request.method == "POST"  # S3 speaks XML
            if status == httpx.codes.FORBIDDEN and is_page:
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
