"""A node that means harm: each attack is refused, says what was wrong, and takes bounded memory.

Over real HTTP. Peaks are those of the whole process, as tracemalloc sees them,
so the node here sends the same piece of memory again and again.
"""

import datetime
import gzip
import ipaddress
import json
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine

from sorobanflow.devnet import Chain, DevnetServer, Generator, parse_faults
from sorobanflow.errors import (
    AnswerTooLargeError,
    NodeBehindError,
    RpcProtocolError,
    RpcUnavailableError,
    SorobanflowError,
    WrongNetworkError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.events_walk import EventsWalk
from sorobanflow.sources.rpc.ledger_chunk import LedgerChunk
from sorobanflow.store.coverage import pin_network
from sorobanflow.toid import MAX_TX

MIB = 2**20
BOUND = 4 * MIB
#: An answer within the bound is held in parts and joined; the rest is the process itself.
MOST = 3 * BOUND
Answer = Callable[[BaseHTTPRequestHandler], None]


@cache
def bomb_of(layers: int) -> bytes:
    """200 MiB of zeros, compressed once or more."""
    body = bytes(200 * MIB)
    for _ in range(layers):
        body = gzip.compress(body, 6)
    return body


class Hostile:
    """A node that answers every POST in one way, and counts."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None) -> None:
        node = self
        self.posts = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                node.posts += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    answer(self)
                except OSError:  # the client has broken off
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if context is not None:
            scheme = "https"
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"


@contextmanager
def hostile(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    node = Hostile(answer, context)
    thread = threading.Thread(target=node.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield node
    finally:
        node.server.shutdown()
        thread.join()
        node.server.server_close()


def client_of(url: str) -> RpcClient:
    http = HttpSettings(timeout_s=20, max_response_bytes=BOUND)
    return RpcClient(url, http=http, retry=RetrySettings(attempts=2, base_s=0.001))


def sending(body: bytes, *more: bytes, **headers: str) -> Answer:
    """Answer with parts of a body; its length is not announced, so nothing refuses it early."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in {"Transfer-Encoding": "chunked", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        for part in (body, *more):
            handler.wfile.write(b"%x\r\n" % len(part) + part + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def result(text: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"result":' + text.encode() + b"}"


def peak_of(client: RpcClient) -> tuple[int, SorobanflowError]:
    """Give the peak of memory during a call, in bytes, and how it was refused."""
    with client:
        tracemalloc.start()
        try:
            client.get_health()
        except SorobanflowError as error:
            return tracemalloc.get_traced_memory()[1], error
        finally:
            tracemalloc.stop()
    raise AssertionError("it was not refused")


def test_endless_body_is_cut_at_the_bound() -> None:
    piece = b" " * 65536
    with hostile(sending(*[piece] * 1600)) as node:  # 100 MiB
        peak, error = peak_of(client_of(node.url))
    assert isinstance(error, AnswerTooLargeError)
    assert f"larger than {BOUND} bytes" in str(error)
    assert peak < MOST


def test_gzip_bomb_is_cut_at_the_bound() -> None:
    with hostile(sending(bomb_of(1), Content_Encoding="gzip")) as node:
        peak, error = peak_of(client_of(node.url))
    assert isinstance(error, AnswerTooLargeError)
    assert f"larger than {BOUND} bytes" in str(error)
    assert peak < MOST


def test_gzip_bomb_in_a_gzip_bomb_is_refused() -> None:
    with hostile(sending(bomb_of(2), Content_Encoding="gzip, gzip")) as node:
        peak, error = peak_of(client_of(node.url))
    assert isinstance(error, RpcProtocolError)
    assert "Content-Encoding 'gzip, gzip'; expected gzip or none" in str(error)
    assert peak < MOST


def test_garbage_behind_a_gzip_body_is_refused() -> None:
    small, piece = gzip.compress(result("{}")), b" " * 65536
    with hostile(sending(small, *[piece] * 1600, Content_Encoding="gzip")) as node:
        peak, error = peak_of(client_of(node.url))
    assert isinstance(error, RpcUnavailableError)
    assert "continues after its end" in str(error)
    assert peak < MOST


def test_answers_of_a_bomb_that_refuses_are_cut_too() -> None:
    bomb = bomb_of(1)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(400)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    with hostile(answer) as node:
        peak, error = peak_of(client_of(node.url))
    assert "was refused (400)" in str(error)
    assert peak < MOST


@pytest.mark.parametrize(
    "deep",
    [
        "[" * 10_000 + "]" * 10_000,
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '{"latestLedger":1,"oldestLedger":1,"x":' + "[" * 10_000 + "]" * 10_000 + "}",
    ],
)
def test_deeply_nested_answer_is_refused(deep: str) -> None:
    with hostile(sending(result(deep))) as node:
        peak, error = peak_of(client_of(node.url))
    assert isinstance(error, RpcProtocolError)
    assert "nested too deeply" in str(error)
    assert peak < MOST


@contextmanager
def devnet(faults: str) -> Iterator[tuple[DevnetServer, RpcClient]]:
    chain = Chain(Generator(3, transactions_per_ledger=4), closed=6)
    with (
        DevnetServer(chain, faults=parse_faults(faults)) as server,
        client_of(server.url) as client,
    ):
        yield server, client


@pytest.mark.parametrize("faults", ["stuck", "repeat,getEvents:*=page/1"])
def test_endless_pages_of_events_are_refused(faults: str) -> None:
    with devnet(f"getEvents:*={faults}") as (server, client):
        with pytest.raises(RpcProtocolError, match=r"the pages stay at .*, ledger 6 is not"):
            EventsWalk(LedgerRange(2, 6)).read(client)
        assert server.calls["getEvents"] <= 20


@pytest.mark.parametrize("faults", ["stuck", "repeat,getTransactions:*=page/1"])
def test_endless_pages_of_transactions_are_refused(faults: str) -> None:
    with devnet(f"getTransactions:*={faults}") as (server, client):
        with pytest.raises((RpcProtocolError, NodeBehindError)) as caught:
            LedgerChunk((2, 0), (6, MAX_TX)).fetch(client)
        assert server.calls["getTransactions"] <= 20
    assert "the pages stay at" in str(caught.value) or "ledger 6 is not on the node" in str(
        caught.value
    )


def test_redirect_to_another_host_is_not_followed() -> None:
    with hostile(sending(result("{}"))) as other:

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(307)
            handler.send_header("Location", other.url)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with hostile(answer) as node, client_of(node.url) as client:
            with pytest.raises(RpcProtocolError, match=r"HTTP 307; redirects are not followed"):
                client.get_health()
            assert (node.posts, other.posts) == (1, 0)


def test_node_of_another_network_is_refused_with_both_names(engine: Engine) -> None:
    with devnet("getNetwork:2=network") as (_, client):
        pin_network(engine, client.get_network().passphrase)
        with pytest.raises(WrongNetworkError) as caught:
            pin_network(engine, client.get_network().passphrase)
    assert "'Sorobanflow Devnet ; 2026'" in str(caught.value)
    assert "'Not the Sorobanflow Devnet ; 2026'" in str(caught.value)


def test_another_transaction_than_asked_is_refused_with_both_hashes() -> None:
    with devnet("getTransaction:*=other_transaction") as (server, client):
        asked = server.chain.ledger(3).transactions[0].hash
        with pytest.raises(RpcProtocolError, match=f"asked for {asked}, the node gave"):
            client.get_transaction(asked)


def test_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    with hostile(sending(result("{}")), context) as node, client_of(node.url) as client:
        with pytest.raises(RpcUnavailableError, match="certificate verify failed: self"):
            client.get_health()
        assert node.posts == 0


def test_cursor_of_thousands_of_digits_is_refused() -> None:
    page = {"latestLedger": 9, "oldestLedger": 1, "transactions": [], "cursor": "9" * 5000}
    with (
        hostile(sending(result(json.dumps(page)))) as node,
        client_of(node.url) as client,
        pytest.raises(RpcProtocolError, match="the cursor is wrong"),
    ):
        LedgerChunk((2, 0), (6, MAX_TX)).fetch(client)


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "self-signed.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
