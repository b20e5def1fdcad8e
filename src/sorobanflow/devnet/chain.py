"""A chain that closes ledgers as time passes, seen through a window of retention.

The newest ledger is computed from the clock whenever somebody asks: no thread
closes ledgers, and tests inject the clock or close ledgers by hand. Whoever
answers a request takes one window and stays with it, so that an answer is
consistent although ledgers close meanwhile.
"""

import time
from collections.abc import Callable
from threading import RLock
from typing import NamedTuple

from sorobanflow.devnet.source import Ledger, Network, Source, Transaction
from sorobanflow.errors import ConfigurationError, RpcTimeoutError
from sorobanflow.ledgers import LedgerRange

DEFAULT_RETENTION = 120_960  # ledgers: the node's default, seven days at 5 s
FIND_LIMIT_S = 5.0  # the node's limit on getTransaction


class Found(NamedTuple):
    """A transaction and the ledger that holds it."""

    ledger: Ledger
    transaction: Transaction


class Chain:
    """Ledgers of a source, as far as they have closed and are still retained.

    Args:
        source: Where the ledgers come from.
        closed: Ledgers closed at the start, at least 1. Default: all that the
            source has, or 1 if it has no end.
        retention: Ledgers kept, the newest included.
        close_every_s: Seconds between closes. Default: only `close` closes.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        source: Source,
        *,
        closed: int | None = None,
        retention: int = DEFAULT_RETENTION,
        close_every_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if retention < 1 or (closed is not None and closed < 1):
            raise ConfigurationError(
                f"retention {retention} and closed {closed}: each must be at least 1 ledger"
            )
        if close_every_s is not None and close_every_s <= 0:
            raise ConfigurationError(f"close_every_s {close_every_s:g}; wanted more than 0 seconds")
        self.retention = retention
        self._source = source
        self._close_every_s = close_every_s
        self._clock = clock
        self._started_at = clock()
        if closed is None:
            closed = 1 if source.last is None else source.last - source.first + 1
        self._closed_by_hand = closed
        self._lock = RLock()
        self._places: dict[str, tuple[int, int]] = {}
        self._indexed: set[int] = set()

    @property
    def network(self) -> Network:
        """The network of the source."""
        return self._source.network

    def window(self) -> LedgerRange:
        """Give the ledgers visible now: oldest and newest, both included."""
        latest = self._source.first + self._closed_by_hand + self._closed_by_clock() - 1
        if self._source.last is not None:
            latest = min(latest, self._source.last)
        return LedgerRange(max(self._source.first, latest - self.retention + 1), latest)

    def close(self, count: int = 1) -> LedgerRange:
        """Close ledgers now, and give the window after that."""
        with self._lock:
            self._closed_by_hand += count
        return self.window()

    def close_time(self, sequence: int) -> int:
        """Give when a closed ledger closed, in unix seconds."""
        return self._source.close_time(sequence)

    def ledger(self, sequence: int) -> Ledger:
        """Give a closed ledger of the source."""
        ledger = self._source.ledger(sequence)
        if ledger.transactions and sequence not in self._indexed:
            self._index(ledger)
        return ledger

    def find(self, tx_hash: str, window: LedgerRange) -> Found | None:
        """Find a transaction of the window by its hash, 64 lower-case hex digits.

        Ledgers that nobody has asked for yet are made and indexed, newest first.

        Raises:
            RpcTimeoutError: that took longer than the node allows; what was
                indexed stays so, and asking again gets further.
        """
        if tx_hash not in self._places:
            self._index_until(tx_hash, window)
        sequence, order = self._places.get(tx_hash, (0, 0))
        if not window.holds(sequence):
            return None
        ledger = self._source.ledger(sequence)
        return Found(ledger, ledger.transactions[order - 1])

    def _closed_by_clock(self) -> int:
        if self._close_every_s is None:
            return 0
        return int((self._clock() - self._started_at) / self._close_every_s)

    def _index(self, ledger: Ledger) -> None:
        with self._lock:
            for order, transaction in enumerate(ledger.transactions, start=1):
                self._places[transaction.hash] = (ledger.sequence, order)
            self._indexed.add(ledger.sequence)

    def _index_until(self, tx_hash: str, window: LedgerRange) -> None:
        deadline = time.monotonic() + FIND_LIMIT_S
        for sequence in range(window.last, window.first - 1, -1):
            if sequence in self._indexed:
                continue
            self._index(self._source.ledger(sequence))
            if tx_hash in self._places:
                return
            if time.monotonic() > deadline:
                raise RpcTimeoutError(f"not found in the ledgers indexed so far: {tx_hash}")
