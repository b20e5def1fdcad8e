"""A chain that closes ledgers over time and keeps only the newest ones.

The newest ledger is computed from the clock on demand: no thread closes ledgers,
and tests inject the clock or close ledgers by hand. Each request uses one window
of ledgers from start to end, so its answer is consistent even if ledgers close.
"""

import time
from collections.abc import Callable
from threading import RLock
from typing import NamedTuple

from sorobanflow.devnet.supply import Ledger, LedgerSupply, Network, StoredEntry, Transaction
from sorobanflow.errors import ConfigurationError, RpcTimeoutError
from sorobanflow.ledgers import LedgerRange

DEFAULT_RETENTION = 120_960  # ledgers: the node's default, seven days at 5 s
FIND_LIMIT_S = 5.0  # the node's limit on getTransaction


class Found(NamedTuple):
    """A transaction and its ledger."""

    ledger: Ledger
    transaction: Transaction


class Chain:
    """The ledgers of a supply that have closed and are still kept.

    Args:
        supply: Makes the ledgers.
        closed: Ledgers closed at the start, at least 1. Default: all that the
            supply has, or 1 if it has no end.
        retention: Ledgers kept, including the newest.
        close_every_s: Seconds between closes. Default: only `close` closes ledgers.
        has_data_store: Whether its node answers getLedgers also for dropped ledgers.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        supply: LedgerSupply,
        *,
        closed: int | None = None,
        retention: int = DEFAULT_RETENTION,
        close_every_s: float | None = None,
        has_data_store: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if retention < 1 or (closed is not None and closed < 1):
            raise ConfigurationError(
                f"retention is {retention} and closed is {closed}; each must be at least 1"
            )
        if close_every_s is not None and close_every_s <= 0:
            raise ConfigurationError(f"close_every_s is {close_every_s:g}; it must be more than 0")
        self.retention = retention
        self._supply = supply
        self._has_data_store = has_data_store
        self._close_every_s = close_every_s
        self._clock = clock
        self._started_at = clock()
        if closed is None:
            closed = 1 if supply.last is None else supply.last - supply.first + 1
        self._closed_by_hand = closed
        self._lock = RLock()
        self._positions: dict[str, tuple[int, int]] = {}
        self._indexed: set[int] = set()

    @property
    def first(self) -> int:
        """The first ledger of the supply, which may have been dropped."""
        return self._supply.first

    @property
    def network(self) -> Network:
        """The network of the supply."""
        return self._supply.network

    def entry(self, key: bytes, ledger: int) -> StoredEntry | None:
        """Return an entry as it is after a ledger, by its LedgerKey."""
        return self._supply.entry(key, ledger)

    def window(self) -> LedgerRange:
        """Return the ledgers visible now: oldest and newest, both included."""
        latest = self._supply.first + self._closed_by_hand + self._closed_by_clock() - 1
        if self._supply.last is not None:
            latest = min(latest, self._supply.last)
        return LedgerRange(max(self._supply.first, latest - self.retention + 1), latest)

    def with_data_store(self, window: LedgerRange) -> LedgerRange:
        """Return the ledgers that getLedgers answers while the node keeps those of the window."""
        return window._replace(first=self.first) if self._has_data_store else window

    def close(self, count: int = 1) -> LedgerRange:
        """Close ledgers now; return the new window."""
        with self._lock:
            self._closed_by_hand += count
        return self.window()

    def close_time(self, sequence: int) -> int:
        """Return when a closed ledger closed, in Unix seconds."""
        return self._supply.close_time(sequence)

    def ledger(self, sequence: int) -> Ledger:
        """Return a closed ledger."""
        ledger = self._supply.ledger(sequence)
        if ledger.transactions and sequence not in self._indexed:
            self._index(ledger)
        return ledger

    def close_meta(self, sequence: int) -> bytes:
        """Return a closed ledger whole: a LedgerCloseMeta, XDR.

        Raises:
            NoWholeLedgersError: the supply has transactions only.
        """
        return self._supply.close_meta(sequence)

    def find(self, tx_hash: str, window: LedgerRange) -> Found | None:
        """Find a transaction of the window by its hash, 64 lower-case hex digits.

        Ledgers that were not requested yet are made and indexed, newest first.

        Raises:
            RpcTimeoutError: this took longer than the node allows. Indexed ledgers
                stay indexed, so another call gets further.
        """
        if tx_hash not in self._positions:
            self._index_until(tx_hash, window)
        sequence, order = self._positions.get(tx_hash, (0, 0))
        if not window.holds(sequence):
            return None
        ledger = self._supply.ledger(sequence)
        return Found(ledger, ledger.transactions[order - 1])

    def _closed_by_clock(self) -> int:
        if self._close_every_s is None:
            return 0
        return int((self._clock() - self._started_at) / self._close_every_s)

    def _index(self, ledger: Ledger) -> None:
        with self._lock:
            for order, transaction in enumerate(ledger.transactions, start=1):
                self._positions[transaction.hash] = (ledger.sequence, order)
            self._indexed.add(ledger.sequence)

    def _index_until(self, tx_hash: str, window: LedgerRange) -> None:
        deadline = time.monotonic() + FIND_LIMIT_S
        for sequence in range(window.last, window.first - 1, -1):
            if sequence in self._indexed:
                continue
            self._index(self._supply.ledger(sequence))
            if tx_hash in self._positions:
                return
            if time.monotonic() > deadline:
                raise RpcTimeoutError(f"transaction {tx_hash} is not in the ledgers indexed so far")
