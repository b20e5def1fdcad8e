"""A TCP proxy in front of PostgreSQL that can lose all packets, as a firewall does.

Connections stay open and new ones are accepted, but nothing passes any more.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class SwallowingProxy:
    """Passes on what it gets, until `swallowing` is set."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        self._socket_path = f"{parts['host']}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = make_conninfo(url, host="127.0.0.1", port=str(port), sslmode="disable")
        self.swallowing = threading.Event()
        self._open: list[socket.socket] = [self._listener]
        self._deaf: set[socket.socket] = set()

    def serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._socket_path)
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def swallow_open_ones(self) -> None:
        """Lose the packets of the connections that are open; new ones work."""
        self._deaf = {*self._open}

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._swallows(target):
                    target.sendall(data)
            if not self._swallows(target):
                target.shutdown(socket.SHUT_RDWR)

    def _swallows(self, target: socket.socket) -> bool:
        return self.swallowing.is_set() or target in self._deaf

    def close(self) -> None:
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def swallowing_proxy(url: str) -> Iterator[SwallowingProxy]:
    """Serve until the block ends, in front of a server on a Unix socket."""
    proxy = SwallowingProxy(url)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(5)
