"""An HTTP server on 127.0.0.1 whose replies may be faulty.

One thread per connection, which is kept alive; head and body are sent in one
write. Stopping the server closes its connections too, so no client continues to
talk to a stopped server. `server` and `lake_server` say what is answered.
"""

import errno
import socket
import sys
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import NamedTuple, Self

from sorobanflow.devnet.reply import Reply
from sorobanflow.errors import ConfigurationError
from sorobanflow.ports import in_use

MAX_REQUEST_BYTES = 512 * 1024


class Request(NamedTuple):
    """An HTTP request; `body` is None if it is larger than MAX_REQUEST_BYTES."""

    method: str
    path: str
    headers: Message
    body: bytes | None


class HttpServer:
    """Serves replies until it is stopped; a context manager starts and stops it.

    Args:
        answer: Makes the reply; called on many threads.
        port: 0 takes a free port.
        latency_s: Seconds by which every request is delayed.

    Raises:
        ConfigurationError: the port is in use, or is none.
    """

    def __init__(self, answer: Callable[[Request], Reply], port: int, latency_s: float) -> None:
        self._http = _ThreadingServer(port, answer, latency_s)
        self._thread = Thread(
            target=self._http.serve_forever, args=(0.05,), name="devnet", daemon=True
        )

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Start to answer requests."""
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


def text_reply(status: int, text: str) -> Reply:
    """Make a reply of plain text."""
    return Reply(status, text.encode(), "text/plain")


_Socket = socket.socket | tuple[bytes, socket.socket]  # the second is for datagrams only


class _ThreadingServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Request], Reply], latency_s: float) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OverflowError:
            raise ConfigurationError(f"port {port}: expected 0 to 65535") from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            other = "choose another one with --port; 0 takes a free one"
            raise ConfigurationError(in_use(port, other)) from error
        self.answer = answer
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
    server: _ThreadingServer

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body: bytes | None = self.rfile.read(min(size, MAX_REQUEST_BYTES))
        if size > MAX_REQUEST_BYTES:
            self._discard(size - MAX_REQUEST_BYTES)
            body = None
        self._wait(self.server.latency_s)
        self._send(self.server.answer(Request(self.command, self.path, self.headers, body)))

    do_GET = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST

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
        body = b"" if self.command == "HEAD" else reply.body[: reply.send_bytes]
        self.wfile.write(_head(reply) + body)
        if reply.send_bytes is not None:
            self.close_connection = True


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Fault')}"]
    if reply.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Type: {reply.content_type}")
        lines.append(f"Content-Length: {len(reply.body)}")
    lines += [f"{name}: {value}" for name, value in reply.headers]
    return "\r\n".join([*lines, "", ""]).encode()
