"""The ledgers and transactions that the devnet serves, and the protocol of their supply.

A supply makes one ledger at a time, in any order and on any thread, and always the
same ledger for the same sequence. `chain` decides which ledgers are visible.
"""

from functools import cached_property
from typing import NamedTuple, Protocol

from sorobanflow.devnet.events import AppliedEvents, LedgerEvent, ledger_events
from sorobanflow.devnet.meta import TransactionEvents, read_meta
from sorobanflow.errors import ConfigurationError

BASE_TIME = 1767225600  # 2026-01-01T00:00:00Z: fixed, so a generated chain is reproducible
SECONDS_PER_LEDGER = 5


class Transaction:
    """One transaction as the node stores it, XDR as base64; events are read on demand.

    Args:
        hash: 64 hex digits; the outer hash of a fee bump.
        application_order: 1-based order in the ledger.
        successful: Whether its status is SUCCESS.
        fee_bump: Whether the envelope is a fee bump.
        envelope_xdr: TransactionEnvelope.
        result_xdr: TransactionResult.
        result_meta_xdr: TransactionMeta.
    """

    def __init__(
        self,
        hash: str,
        application_order: int,
        successful: bool,
        fee_bump: bool,
        envelope_xdr: str,
        result_xdr: str,
        result_meta_xdr: str,
    ) -> None:
        self.hash = hash
        self.application_order = application_order
        self.successful = successful
        self.fee_bump = fee_bump
        self.envelope_xdr = envelope_xdr
        self.result_xdr = result_xdr
        self.result_meta_xdr = result_meta_xdr

    @property
    def status(self) -> str:
        """SUCCESS or FAILED."""
        return "SUCCESS" if self.successful else "FAILED"

    @cached_property
    def events(self) -> TransactionEvents:
        """The events in the meta, in the order of the meta."""
        return read_meta(self.result_meta_xdr)


class Ledger:
    """A closed ledger.

    Args:
        sequence: Its number.
        close_time: Unix seconds.
        protocol: Protocol version.
        transactions: All of them, in the order of application.
    """

    def __init__(
        self,
        sequence: int,
        close_time: int,
        protocol: int,
        transactions: tuple[Transaction, ...] = (),
    ) -> None:
        self.sequence = sequence
        self.close_time = close_time
        self.protocol = protocol
        self.transactions = transactions

    @cached_property
    def events(self) -> tuple[LedgerEvent, ...]:
        """The ledger's event stream, ascending by id."""
        if not self.transactions:
            return ()
        return ledger_events(
            self.sequence,
            [AppliedEvents(each.hash, each.successful, each.events) for each in self.transactions],
        )


class NoWholeLedgersError(ConfigurationError):
    """The supply holds no whole ledgers: no headers, transaction sets and fee changes."""


class Network(NamedTuple):
    """The network that the ledgers belong to."""

    passphrase: str
    protocol: int


class StoredEntry(NamedTuple):
    """A ledger entry, and since which ledger it is as it is."""

    data: bytes  # LedgerEntryData, XDR
    ledger: int


class LedgerSupply(Protocol):
    """Makes ledgers by sequence, from `first` to `last` (both included; None: no end)."""

    @property
    def network(self) -> Network:
        """The network, as getNetwork returns it."""

    @property
    def first(self) -> int:
        """The first ledger."""

    @property
    def last(self) -> int | None:
        """The last ledger, or None if there is no end."""

    def entry(self, key: bytes, ledger: int) -> StoredEntry | None:
        """Return an entry as it is after a ledger, by its LedgerKey, XDR; None: not known."""

    def close_time(self, sequence: int) -> int:
        """Return when a ledger closed, in Unix seconds, without making the ledger."""

    def ledger(self, sequence: int) -> Ledger:
        """Return one ledger; always the same for the same sequence."""

    def close_meta(self, sequence: int) -> bytes:
        """Return one ledger whole: a LedgerCloseMeta, XDR.

        Raises:
            NoWholeLedgersError: the supply has transactions only.
        """


def made_close_time(sequence: int) -> int:
    """Return when a ledger of a generated chain closes, in Unix seconds."""
    return BASE_TIME + SECONDS_PER_LEDGER * sequence


def empty_ledger(sequence: int, protocol: int) -> Ledger:
    """Make a ledger without transactions, with the close time of a generated chain."""
    return Ledger(sequence, made_close_time(sequence), protocol)
