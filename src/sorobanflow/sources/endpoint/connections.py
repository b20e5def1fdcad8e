"""The open connections of the transport, so that calls under way can be cut.

Closing the pool would leave threads waiting for their answers. Invariant: a connection
made during or after `stop` is cut as well.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, cast
from weakref import WeakSet

_MADE = (".connect_tcp.complete", ".start_tls.complete")


class Stream(Protocol):
    """A connection of the pool."""

    def get_extra_info(self, info: str) -> object:
        """Give a part of the connection, such as its socket."""


class Connections:
    """Watches the connections of a pool; shared by threads."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._open: WeakSet[Stream] = WeakSet()

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Take in what the pool reports of a request, as its `trace` extension."""
        if not event.endswith(_MADE):
            return
        stream = cast(Stream, info["return_value"])
        with self._lock:
            self._open.add(stream)
            if self.stopped.is_set():
                _cut(stream)

    def stop(self) -> None:
        """Cut every connection, also those that are made from now on."""
        with self._lock:
            self.stopped.set()
            for stream in self._open:
                _cut(stream)


def _cut(stream: Stream) -> None:
    connection = stream.get_extra_info("socket")
    if isinstance(connection, socket.socket):
        # Closing wakes no reader. And not through TLS, whose goodbye could block.
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
