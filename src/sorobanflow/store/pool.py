"""The pool: psycopg's, with few idle connections kept open and its work counted.

psycopg_pool keeps a fixed number open, so three of its private methods are overridden here:
pyproject.toml bounds its version, and tests check each private name against a real server.
"""

import logging
import os
import socket
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Timer
from time import monotonic
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from sorobanflow.records import PoolStats
from sorobanflow.store.session import connect_options

#: Warn when callers waited at least this long, and for this share of the time.
WAIT_S, WAIT_SHARE = 1.0, 0.1
#: Seconds that the server gets to answer a cancellation.
CANCEL_S = 5.0
#: Seconds that a transaction has to end when the run stops; a batch takes a fraction of one.
STOP_S = 3.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolSettings:
    """Limits of a connection pool."""

    max_idle: int = 10  # connections kept open while nobody uses them
    max_open: int = 100  # further callers wait
    max_lifetime_s: float = 3600.0  # age from which a connection is replaced when given back
    max_idle_s: float = 600.0  # idle time until a connection closes; at most twice as long
    connect_timeout_s: float = 30.0  # how long a caller waits for a connection


class CountingPool(ConnectionPool["psycopg.Connection[Any]"]):
    """A pool with these limits, closed at first; ValueError if they contradict each other."""

    def __init__(self, url: str, parts: dict[str, str], settings: PoolSettings) -> None:
        super().__init__(
            url,
            kwargs=connect_options(parts),
            min_size=0,
            max_size=settings.max_open,
            max_lifetime=settings.max_lifetime_s,
            max_idle=settings.max_idle_s,
            timeout=settings.connect_timeout_s,
            check=self._check_or_close_idle,
            close_returns=True,
            open=False,
            name="sorobanflow",
        )
        self._max_kept = settings.max_idle
        self._closed_because: Counter[str] = Counter()
        self._wait_count, self._wait_s = 0, 0.0
        self._began = monotonic()
        self._warned: set[str] = set()
        self._lent: set[psycopg.Connection[Any]] = set()
        self._cancelled: set[psycopg.Connection[Any]] = set()  # of those lent
        self.server_left = settings.max_open  # that the server had left when the pool was opened

    def stats(self) -> PoolStats:
        """Count, all at the same moment."""
        with self._lock:
            now = self.get_stats()
            return PoolStats(
                max_open=now["pool_max"],
                open=now["pool_size"],
                in_use=now["pool_size"] - now["pool_available"],
                idle=now["pool_available"],
                wait_count=self._wait_count,
                wait_s=self._wait_s,
                closed_max_idle=self._closed_because["max_idle"],
                closed_idle_time=self._closed_because["idle_time"],
                closed_lifetime=self._closed_because["lifetime"],
            )

    def getconn(self, timeout: float | None = None) -> "psycopg.Connection[Any]":
        """Take a connection; counts the wait if all are in use."""
        must_wait, began = self._must_wait(), monotonic()
        try:
            connection = super().getconn(timeout)
        finally:
            if must_wait:
                self._count_wait(monotonic() - began)
        self._lent.add(connection)
        return connection

    def putconn(self, conn: "psycopg.Connection[Any]") -> None:
        """Give a connection back; the pool replaces it if its lifetime is over."""
        self._lent.discard(conn)
        self._cancelled.discard(conn)
        if conn._expire_at <= monotonic() and not (conn.closed or self.closed):
            with self._lock:
                self._closed_because["lifetime"] += 1
        super().putconn(conn)

    def stop(self, grace_s: float = STOP_S) -> None:
        """Lend no more connections: callers fail immediately. Cancel what runs after `grace_s`."""
        timer = Timer(grace_s, self.cancel)
        timer.daemon = True
        timer.start()
        self.close(timeout=1)

    def cut(self) -> None:
        """Lend no more connections, and end what lent ones do; may be called again."""
        self.close(timeout=1)
        self.cancel()

    def cancel(self) -> None:
        """Cancel what lent connections run or are blocked in; they can be used again.

        One that this did not help before is cut off, and so are all if the server does not answer.
        """
        answers = True
        for connection in self._lent.copy():
            if answers and connection not in self._cancelled:
                self._cancelled.add(connection)
                try:
                    connection.cancel_safe(timeout=CANCEL_S)
                    continue
                except psycopg.Error:
                    answers = False
            _cut(connection)

    def _must_wait(self) -> bool:
        """Whether all are in use; warns before the server has none left."""
        now = self.get_stats()
        if now["pool_available"] > 0:
            return False
        if now["pool_size"] >= now["pool_max"]:
            return True
        if now["pool_size"] >= self.server_left:
            self._warn_once(
                f"the pool may open {self.max_size} connections, but the server had "
                f"{self.server_left} left for it; lower max_open, or raise the server's "
                "max_connections"
            )
        return False

    def _count_wait(self, seconds: float) -> None:
        with self._lock:
            self._wait_count += 1
            self._wait_s += seconds
            waited = self._wait_s
        share = waited / (monotonic() - self._began)
        if waited >= WAIT_S and share >= WAIT_SHARE:
            self._warn_once(
                "waiting for database connections slows the run down: %.1f s so far, %.0f %% of "
                "the time; raise max_open of the pool, which is %d",
                waited,
                share * 100,
                self.max_size,
            )

    def _warn_once(self, message: str, *values: float) -> None:
        with self._lock:
            first = message not in self._warned
            self._warned.add(message)
        if first:
            _log.warning(message, *values)

    def _getconn_unchecked(self, timeout: float) -> "psycopg.Connection[Any]":
        """Fail, instead of waiting, if the pool was closed while another one was checked."""
        self._check_open_getconn()
        return super()._getconn_unchecked(timeout)

    def _add_to_pool(self, conn: "psycopg.Connection[Any]") -> None:
        """Take a connection that was given back or opened; close what exceeds `max_idle`."""
        super()._add_to_pool(conn)
        with self._lock:
            surplus = self._take_idle(len(self._pool) - self._max_kept, "max_idle")
        _close(surplus)

    def _shrink_pool(self) -> None:
        """Close the connections that nobody used in the last `max_idle_s`, a period just over."""
        with self._lock:
            unused = self._take_idle(self._nconns_min, "idle_time")
            self._nconns_min = len(self._pool)
        _close(unused)

    def _check_or_close_idle(self, conn: "psycopg.Connection[Any]") -> None:
        """Refuse a broken connection, and close the idle ones: a restart broke them too.

        Otherwise the pool waits longer after each: eight in a row take more than 30 s.
        """
        self._lent.add(conn)  # so that a check without an answer can be cut off
        try:
            self.check_connection(conn)
        except Exception:
            self._lent.discard(conn)
            with self._lock:
                idle = self._take_idle(self.max_size, "broken")
            _close(idle)
            raise

    def _take_idle(self, count: int, reason: str) -> "list[psycopg.Connection[Any]]":
        """Take idle connections out, to be closed; the caller holds the lock."""
        taken = [self._pool.popleft() for _ in range(min(count, len(self._pool)))]
        self._nconns -= len(taken)
        self._closed_because[reason] += len(taken)
        return taken


def _close(connections: "Iterable[psycopg.Connection[Any]]") -> None:
    for connection in connections:
        connection.close()


def _cut(connection: "psycopg.Connection[Any]") -> None:
    """Shut the socket down, which wakes who waits for the server's answer."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)
