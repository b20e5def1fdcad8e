"""The devnet's HTTP server, on 127.0.0.1 only.

One thread per connection, which is kept alive; head and body are sent in one
write. Stopping the server closes its connections too, so no client continues to
talk to a stopped server. `jsonrpc` handles JSON-RPC.
"""

import socket
import sys
from collections.abc import Iterable
from email.message import Message
from http import HTTPStatus
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Self

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.faults import Fault, FaultSchedule, check_fault
from sorobanflow.devnet.jsonrpc import Dispatcher
from sorobanflow.devnet.node import METHODS, Node
from sorobanflow.devnet.reply import Reply

MAX_REQUEST_BYTES = 512 * 1024


class DevnetServer:
    """A local Stellar RPC node.

    Args:
        chain: The chain that it serves.
        port: 0 takes a free port.
        latency_s: Seconds by which every HTTP call is delayed.
        faults: Faults of the calls; see `faults`.

    Raises:
        ConfigurationError: no call can get one of the faults.
    """

    def __init__(
        self,
        chain: Chain,
        port: int = 0,
        latency_s: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        faults = tuple(faults)
        for fault in faults:
            check_fault(fault, METHODS)
        self.chain = chain
        self._schedule = FaultSchedule(faults)
        dispatcher = Dispatcher(Node(chain).call, self._schedule)
        self._http = _HttpServer(port, dispatcher, latency_s)
        self._thread = Thread(
            target=self._http.serve_forever, args=(0.05,), name="devnet", daemon=True
        )

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def calls(self) -> dict[str, int]:
        """Calls so far by method; `batch` counts the batches."""
        return self._schedule.calls

    def start(self) -> None:
        """Start to answer calls."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and close every connection. Does no harm if it was never started."""
        self._http.stopping.set()
        if self._thread.is_alive():  # otherwise shutdown would wait forever
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.close_connections()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


_Socket = socket.socket | tuple[bytes, socket.socket]  # the second is for datagrams only


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, dispatcher: Dispatcher, latency_s: float) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.dispatcher = dispatcher
        self.latency_s = latency_s
        self.stopping = Event()
        self._connections: set[_Socket] = set()

    def process_request(self, request: _Socket, client_address: object) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Socket) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            self.shutdown_request(connection)

    def handle_error(self, request: _Socket, client_address: object) -> None:
        """Do not report connections that broke while stopping or on the client's side."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(size, MAX_REQUEST_BYTES))
        if size > MAX_REQUEST_BYTES:
            self._discard(size - MAX_REQUEST_BYTES)
            return self._send(_text(500, "http: request body too large"))
        if not _is_json(self.headers):
            return self._send(_text(415, "content-type must be application/json"))
        self._wait(self.server.latency_s)
        return self._send(self.server.dispatcher.answer(body))

    def do_GET(self) -> None:
        self._discard(int(self.headers.get("Content-Length") or 0))
        self._send(_text(405, "method not allowed"))

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET

    def do_HEAD(self) -> None:
        self._send(Reply(405))

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def _discard(self, size: int) -> None:
        while size > 0:
            read = len(self.rfile.read(min(size, 65536)))
            size = size - read if read else 0

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.server.stopping.wait(seconds)

    def _send(self, reply: Reply) -> None:
        self._wait(reply.delay_s)
        if reply.dropped:
            self.close_connection = True
            return
        self.wfile.write(_head(reply) + reply.body[: reply.send_bytes])
        if reply.send_bytes is not None:
            self.close_connection = True


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Fault')}"]
    if reply.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Type: {reply.content_type}")
        lines.append(f"Content-Length: {len(reply.body)}")
    lines += [f"{name}: {value}" for name, value in reply.headers]
    return "\r\n".join([*lines, "", ""]).encode()


def _text(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), "text/plain")


def _is_json(headers: Message) -> bool:
    charset = headers.get_content_charset("utf-8")
    named = headers.get("Content-Type") is not None
    return (
        named and headers.get_content_type() == "application/json" and charset in ("utf-8", "utf8")
    )
