import gzip
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from sorobanflow.errors import (
    AnswerTooLargeError,
    ConfigurationError,
    RateLimitedError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from sorobanflow.sources.endpoint.transport import HttpSettings, Transport, retry_after_s
from tests.unit.rpc_node import URL

HEADERS = {"X-Api-Key": "Bearer headersecret"}
SECRETS = ("hunter2secret", "apikey12345", "querysecret", "headersecret", "/v1")
BASIC = b64encode(b"user:hunter2secret").decode()
Handler = Callable[[httpx.Request], httpx.Response]


def transport_of(handler: Handler, **settings: float) -> Transport:
    return Transport(
        URL,
        headers=HEADERS,
        settings=HttpSettings(**settings),  # type: ignore[arg-type]
        transport=httpx.MockTransport(handler),
    )


def answering(*args: object, **response: object) -> Handler:
    return lambda request: httpx.Response(*args, **response)  # type: ignore[arg-type]


def raising(error: Exception) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    return handle


def test_transport_posts_the_body_and_gives_the_answer() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["X-Api-Key"] == "Bearer headersecret"
        return httpx.Response(200, content=request.content + b"!")

    assert transport_of(handle).post("getHealth", b"hello") == b"hello!"


def test_transport_endpoint_is_scheme_host_and_port() -> None:
    assert transport_of(answering(200)).endpoint == "https://node.example:8443"
    assert Transport("http://[::1]:8000/x").endpoint == "http://[::1]:8000"
    assert Transport("http://node.example/x").endpoint == "http://node.example"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (httpx.ReadTimeout("x"), RpcTimeoutError),
        (httpx.WriteTimeout("x"), RpcTimeoutError),
        (httpx.ConnectTimeout("x"), RpcUnavailableError),
        (httpx.PoolTimeout("x"), RpcUnavailableError),
        (httpx.ConnectError("refused"), RpcUnavailableError),
        (httpx.ReadError("reset"), RpcUnavailableError),
        (httpx.RemoteProtocolError("cut"), RpcUnavailableError),
        (httpx.DecodingError("gzip"), RpcUnavailableError),
    ],
)
def test_transport_maps_faults_of_the_connection(error: Exception, raised: type) -> None:
    with pytest.raises(raised) as caught:
        transport_of(raising(error)).post("getHealth", b"")
    assert type(caught.value) is raised
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (204, RpcProtocolError),
        (202, RpcProtocolError),
        (301, RpcProtocolError),
        (307, RpcProtocolError),
        (400, RpcRequestError),
        (401, RpcRequestError),
        (405, RpcRequestError),
        (408, RpcTimeoutError),
        (415, RpcRequestError),
        (429, RateLimitedError),
        (500, RpcUnavailableError),
        (502, RpcUnavailableError),
        (503, RpcUnavailableError),
        (504, RpcTimeoutError),
    ],
)
def test_transport_maps_http_statuses(status: int, raised: type) -> None:
    with pytest.raises(raised) as caught:
        transport_of(answering(status, text="because")).post("getHealth", b"")
    assert type(caught.value) is raised
    assert str(status) in str(caught.value)


def test_transport_does_not_follow_redirects() -> None:
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(307, headers={"Location": "https://elsewhere.example/"})

    with pytest.raises(RpcProtocolError, match="redirects are not followed"):
        transport_of(handle).post("getHealth", b"")
    assert len(seen) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_transport_keeps_retry_after(status: int) -> None:
    with pytest.raises((RateLimitedError, RpcUnavailableError)) as caught:
        transport_of(answering(status, headers={"Retry-After": "7"})).post("getHealth", b"")
    assert vars(caught.value)["retry_after_s"] == 7.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Fri, 21 Aug 2026 12:00:30 GMT", 30.0),
        ("Fri, 21 Aug 2026 11:00:00 GMT", 0.0),
        ("Fri, 21 Aug 2026 12:00:30 -0000", 30.0),
        ("-5", None),
        ("1e400", None),
        ("soon", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_retry_after_reads_seconds_and_dates(text: str, seconds: float | None) -> None:
    assert retry_after_s(text, datetime(2026, 8, 21, 12, tzinfo=UTC)) == seconds


def test_transport_stops_at_the_bound_of_an_answer() -> None:
    read: list[int] = []

    def body() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b"x" * 1000

    transport = transport_of(lambda request: httpx.Response(200, content=body()))
    transport._settings = HttpSettings(max_response_bytes=5000)
    with pytest.raises(AnswerTooLargeError) as caught:
        transport.post("getEvents", b"")
    assert (caught.value.method, caught.value.limit_bytes) == ("getEvents", 5000)
    assert len(read) == 6


def test_transport_bounds_the_answer_after_decompression() -> None:
    bomb = gzip.compress(b"x" * 100_000)
    handler = answering(200, content=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(AnswerTooLargeError):
        transport_of(handler, max_response_bytes=50_000).post("getEvents", b"")
    assert len(transport_of(handler, max_response_bytes=100_000).post("getEvents", b"")) == 100_000


def test_transport_answer_that_trickles_times_out() -> None:
    now = [0.0]

    def body() -> Iterator[bytes]:
        while True:
            now[0] += 20
            yield b"x"

    transport = Transport(
        URL,
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body())),
        clock=lambda: now[0],
    )
    with pytest.raises(RpcTimeoutError, match="did not end the answer in 30 s"):
        transport.post("getEvents", b"")


def test_transport_corrupt_compression_is_the_endpoints_fault() -> None:
    handler = answering(200, stream=httpx.ByteStream(b"no"), headers={"Content-Encoding": "gzip"})
    with pytest.raises(RpcUnavailableError):
        transport_of(handler).post("getEvents", b"")


@pytest.mark.parametrize("encoding", ["gzip, gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("status", [200, 400])
def test_transport_takes_no_other_encoding_than_one_gzip(encoding: str, status: int) -> None:
    stream = httpx.ByteStream(gzip.compress(gzip.compress(b"x")))
    handler = answering(status, stream=stream, headers={"Content-Encoding": encoding})
    with pytest.raises(RpcProtocolError, match=f"Content-Encoding '{encoding}'"):
        transport_of(handler).post("getEvents", b"")


@pytest.mark.parametrize(
    "handler",
    [
        raising(httpx.ConnectError(f"cannot reach {URL} with Bearer headersecret")),
        answering(400, text=f"bad key apikey12345 in {URL}, querysecret, headersecret"),
        answering(301, headers={"Location": URL}),
        lambda request: httpx.Response(400, text=str(dict(request.headers))),
        answering(503),
        answering(429),
    ],
)
def test_transport_messages_hold_no_secret(handler: Handler) -> None:
    with pytest.raises(Exception, match=r"\w") as caught:
        transport_of(handler).post("getHealth", b"")
    said = f"{caught.value} {caught.value!r}"
    assert not [secret for secret in (*SECRETS, BASIC) if secret in said]


def test_transport_log_line_of_httpx_holds_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    reason = {"reason_phrase": f"OK for {URL}".encode()}
    transport = transport_of(answering(200, extensions=reason))
    with caplog.at_level(logging.INFO, logger="httpx"):
        transport.post("getHealth", b"")
    assert "https://node.example:8443" in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]
    transport.close()
    assert transport._redactor not in logging.getLogger("httpx").filters


@pytest.mark.parametrize(
    "url", ["ftp://secret.example", "secret.example/rpc", "", "http://", "https:"]
)
def test_transport_refuses_other_urls_without_showing_them(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Transport(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["se\ncret", "sécret", "se\x00cret"])
def test_transport_refuses_headers_without_showing_them(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Transport(URL, headers={"Authorization": value})
    assert "cret" not in str(caught.value)
