"""A supply of listed ledgers, for tests."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sorobanflow.devnet.generator.header_chain import HeaderChain
from sorobanflow.devnet.supply import Ledger, Network, StoredEntry, empty_ledger


class ListedLedgers:
    """A supply of the listed ledgers, and empty ones in between.

    Args:
        ledgers: In any order.
        first: The first ledger; those not listed are empty.
        last: The last ledger, included.
        network: What getNetwork answers.
        entries: What getLedgerEntries answers: LedgerEntryData by LedgerKey, both XDR.
    """

    def __init__(
        self,
        ledgers: Iterable[Ledger],
        first: int,
        last: int,
        network: Network,
        entries: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> None:
        self.first = first
        self.last: int | None = last
        self.network = network
        self._entries = entries
        self._ledgers = {ledger.sequence: ledger for ledger in ledgers}
        self._headers = HeaderChain(network.passphrase, first, self.ledger)

    def close_time(self, sequence: int) -> int:
        """Return when a ledger closed."""
        return self.ledger(sequence).close_time

    def ledger(self, sequence: int) -> Ledger:
        """Return the listed ledger, or an empty one."""
        listed = self._ledgers.get(sequence)
        return listed or empty_ledger(sequence, self.network.protocol)

    def entry(self, key: bytes, ledger: int) -> StoredEntry | None:
        """Return one of the entries, which are since ledger 1 as they are."""
        data = self._entries.get(key)
        return None if data is None else StoredEntry(data, 1)

    def close_meta(self, sequence: int) -> bytes:
        """Return a LedgerCloseMeta around the ledger's transactions."""
        return self._headers.close_meta(sequence)
