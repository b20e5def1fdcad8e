"""psycopg's pool, made to keep few idle connections and to count what it does.

It grows with demand, from none. Of the connections given back it keeps at most
`max_idle`; it closes what stayed idle for `max_idle_s` and replaces what is
past its lifetime. psycopg_pool alone opens a fixed number and keeps it open,
and of the others closes one per idle time; so three of its inner methods are
overridden here, and what they lean on is tested against a real server.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from threading import Timer
from time import monotonic
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

#: Waiting is the bottleneck when callers waited at least so long, and in so much of the time.
WAIT_S, WAIT_SHARE = 1.0, 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolSettings:
    """Limits of a connection pool.

    Attributes:
        max_idle: Connections kept open at most while nobody uses them.
        max_open: Connections open at most; further callers wait.
        max_lifetime_s: Age in seconds from which a connection is replaced when given back.
        max_idle_s: Idle seconds after which a connection closes, at the latest
            after twice as many.
        connect_timeout_s: Seconds that a caller waits for a connection.
    """

    max_idle: int = 10
    max_open: int = 100
    max_lifetime_s: float = 3600.0
    max_idle_s: float = 600.0
    connect_timeout_s: float = 30.0


@dataclass(frozen=True)
class PoolStats:
    """What a pool holds now, and what it did since it was opened.

    Attributes:
        max_open: Connections that it may open.
        open: Connections open now, those being opened included.
        in_use: Of these, not idle.
        idle: Of these, ready for a caller.
        wait_count: Callers that found all `max_open` connections in use.
        wait_s: Seconds that those waited, added up.
        closed_max_idle: Closed when given back, because `max_idle` were idle.
        closed_idle_time: Closed because nobody used them for `max_idle_s`.
        closed_lifetime: Closed because they were past their lifetime.
    """

    max_open: int
    open: int
    in_use: int
    idle: int
    wait_count: int
    wait_s: float
    closed_max_idle: int
    closed_idle_time: int
    closed_lifetime: int

    def table(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person."""
        return [
            ("connections: at most", f"{self.max_open:,}"),
            ("connections: open", f"{self.open:,}"),
            ("connections: in use", f"{self.in_use:,}"),
            ("connections: idle", f"{self.idle:,}"),
            ("waits for a connection", f"{self.wait_count:,}"),
            ("time waited for a connection", f"{self.wait_s:.1f} s"),
            ("closed: enough were idle", f"{self.closed_max_idle:,}"),
            ("closed: idle for too long", f"{self.closed_idle_time:,}"),
            ("closed: end of lifetime", f"{self.closed_lifetime:,}"),
        ]


class CountingPool(ConnectionPool["psycopg.Connection[Any]"]):
    """A pool of these limits, closed at first; a connection that is closed goes back to it.

    `server_left` is how many connections the server had left when the pool was opened.

    Raises:
        ValueError: the limits contradict each other.
    """

    def __init__(self, url: str, parts: dict[str, str], settings: PoolSettings) -> None:
        super().__init__(
            url,
            kwargs={"application_name": "sorobanflow", **parts},
            min_size=0,
            max_size=settings.max_open,
            max_lifetime=settings.max_lifetime_s,
            max_idle=settings.max_idle_s,
            timeout=settings.connect_timeout_s,
            check=self._check_or_drop_idle,
            close_returns=True,
            open=False,
            name="sorobanflow",
        )
        self._most_idle = settings.max_idle
        self._closings: Counter[str] = Counter()
        self._wait_count, self._wait_s = 0, 0.0
        self._began = monotonic()
        self._warned: set[str] = set()
        self._lent: set[psycopg.Connection[Any]] = set()
        self.server_left = settings.max_open

    def stats(self) -> PoolStats:
        """Count, all at one moment."""
        with self._lock:
            return PoolStats(
                max_open=self._max_size,
                open=self._nconns,
                in_use=self._nconns - len(self._pool),
                idle=len(self._pool),
                wait_count=self._wait_count,
                wait_s=self._wait_s,
                closed_max_idle=self._closings["max_idle"],
                closed_idle_time=self._closings["idle_time"],
                closed_lifetime=self._closings["lifetime"],
            )

    def getconn(self, timeout: float | None = None) -> "psycopg.Connection[Any]":
        """Take a connection; counts the waiting where all are in use."""
        connection = self._getconn(timeout)
        self._lent.add(connection)
        return connection

    def putconn(self, conn: "psycopg.Connection[Any]") -> None:
        """Give a connection back."""
        self._lent.discard(conn)
        super().putconn(conn)

    def stop(self, grace_s: float) -> None:
        """Lend no connection any more, and cancel what still runs on one after `grace_s`."""
        timer = Timer(grace_s, self._cancel)
        timer.daemon = True
        timer.start()
        self.close(timeout=1)

    def _cancel(self) -> None:
        for connection in self._lent.copy():
            connection.cancel_safe()

    def _getconn(self, timeout: float | None) -> "psycopg.Connection[Any]":
        if self._pool:
            return super().getconn(timeout)
        if self._nconns < self._max_size:
            if self._nconns >= self.server_left:
                self._warn(
                    "the pool may open %d connections, but the server had %d left for it; "
                    "lower max_open, or raise the server's max_connections",
                    self._max_size, self.server_left,
                )  # fmt: skip
            return super().getconn(timeout)
        began = monotonic()
        try:
            return super().getconn(timeout)
        finally:
            self._waited(monotonic() - began)

    def _waited(self, seconds: float) -> None:
        with self._lock:
            self._wait_count += 1
            self._wait_s += seconds
            waited = self._wait_s
        share = waited / (monotonic() - self._began)
        if waited >= WAIT_S and share >= WAIT_SHARE:
            self._warn(
                "waiting for database connections holds the run up: %.1f s so far, %.0f %% of "
                "the time; raise max_open of the pool, which is %d",
                waited, share * 100, self._max_size,
            )  # fmt: skip

    def _warn(self, message: str, *values: float) -> None:
        with self._lock:
            first = message not in self._warned
            self._warned.add(message)
        if first:
            _log.warning(message, *values)

    def _add_to_pool(self, conn: "psycopg.Connection[Any]") -> None:
        with self._lock:
            surplus = not self._waiting and len(self._pool) >= self._most_idle and not self._closed
            if surplus:
                self._nconns -= 1
                self._closings["max_idle"] += 1
        if surplus:
            super()._close_connection(conn)
        else:
            super()._add_to_pool(conn)

    def _shrink_pool(self) -> None:
        closed = self._close_idle(self._nconns_min)
        with self._lock:
            self._nconns_min = len(self._pool)
            self._closings["idle_time"] += closed

    def _check_or_drop_idle(self, conn: "psycopg.Connection[Any]") -> None:
        """Refuse a broken connection, and close the idle ones: what broke it, a restart, broke all.

        The pool waits longer after each failed check: eight in a row take more than 30 s.
        """
        try:
            self.check_connection(conn)
        except Exception:
            self._close_idle(self._max_size)
            raise

    def _close_idle(self, most: int) -> int:
        with self._lock:
            closing = [self._pool.popleft() for _ in range(min(most, len(self._pool)))]
            self._nconns -= len(closing)
        for conn in closing:
            super()._close_connection(conn)
        return len(closing)

    def _close_connection(self, conn: "psycopg.Connection[Any]") -> None:
        if not self._closed and conn._expire_at <= monotonic():
            with self._lock:
                self._closings["lifetime"] += 1
        super()._close_connection(conn)
