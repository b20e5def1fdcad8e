"""Whole ledgers of a made supply, each with the hash of the one before.

A ledger's header needs the one before, so the headers are made from the first ledger
on, once, and kept. Whole ledgers are made again at each request.
"""

from collections.abc import Callable
from hashlib import sha256
from threading import Lock

from sorobanflow.devnet.generator.close_meta import Header, make_close_meta
from sorobanflow.devnet.supply import Ledger


class HeaderChain:
    """Makes whole ledgers; thread-safe.

    Args:
        passphrase: Of the network.
        first: The first ledger; the hash of the one before it is made up.
        make_ledger: Makes a ledger by its sequence.
    """

    def __init__(self, passphrase: str, first: int, make_ledger: Callable[[int], Ledger]) -> None:
        self._first = first
        self._make_ledger = make_ledger
        made_up = sha256(f"{passphrase} {first - 1}".encode()).digest()
        self._headers = [Header(made_up)]  # of the ledgers from `first` - 1 on
        self._lock = Lock()

    def close_meta(self, sequence: int) -> bytes:
        """Make a LedgerCloseMeta, XDR; the first request for a late ledger makes all before it."""
        with self._lock:
            for missing in range(self._first + len(self._headers) - 1, sequence):
                self._make(missing)
            return self._make(sequence)

    def _make(self, sequence: int) -> bytes:
        at = sequence - self._first
        header, meta = make_close_meta(self._make_ledger(sequence), self._headers[at])
        if at + 1 == len(self._headers):
            self._headers.append(header)
        return meta
