"""What a meta states about ledger entries whose state is kept, from `metas` to `rows.state`."""

from collections.abc import Sequence
from typing import NamedTuple

from sorobanflow.decode.contract_events import ContractEvent
from sorobanflow.decode.entries import Entry, EntryParts, read_entry, read_key, read_parts
from sorobanflow.decode.reader import Json

#: `op_order` of a change before the operations, and of one after them.
OP_BEFORE = 0
OP_AFTER = 4095


class Change(NamedTuple):
    """One change of one ledger entry, whose bytes were walked past and can be read."""

    op_order: int  # OP_BEFORE, the operation's number from 1, or OP_AFTER
    change_order: int  # index in its LedgerEntryChanges, all items counted
    kind: str  # created, updated, removed or restored
    type: str  # a name of LedgerEntryType, such as offer; not config_setting
    key_xdr: bytes  # the LedgerKey
    # SHA-256 of the LedgerKey of contract data or code; of a ttl that of its entry.
    key_hash: bytes | None
    entry_xdr: bytes | None  # the LedgerEntry; None if removed
    # What the meta shows of the entry before: of a contract's instance, and of a claimable
    # balance or a pool that was removed, whose keys name no asset. A LedgerEntry.
    before_xdr: bytes | None = None

    def parts(self) -> EntryParts:
        """Read the entry, which is not of a contract, for its row."""
        return read_parts(self.key_xdr, self.entry_xdr)

    def parts_before(self) -> EntryParts | None:
        """Read the entry before the change, for a row, where `before_xdr` has it."""
        return None if self.before_xdr is None else read_parts(self.key_xdr, self.before_xdr)

    def read(self) -> Entry:
        """Read the entry; only its key if it was removed."""
        if self.entry_xdr is None:
            return read_key(self.key_xdr)[0]
        entry, _ = read_entry(self.entry_xdr, 0)
        assert entry is not None  # its state is kept
        return entry

    def read_before(self) -> Entry | None:
        """Read the entry before the change, where `before_xdr` has it."""
        return None if self.before_xdr is None else read_entry(self.before_xdr, 0)[0]


class Refund(NamedTuple):
    """A fee refunded after all transactions of the ledger, as since protocol 23."""

    account: str
    stroops: int | None  # None: not known


class Meta(NamedTuple):
    """What is read of a TransactionMeta of any version, in the network's order."""

    soroban_fees: Json  # SorobanTransactionMetaExt in SEP-51 form, if there is one
    changes: list[Change]
    refunds: list[Refund]  # of its fee events
    #: False for a V4 without fee events: of its refund, if it has one, no change or event tells.
    states_refunds: bool = True
    #: Stroops that the changes after the operations give back to the payer of the fee, as before
    #: protocol 23; None: these changes do not tell.
    refund_after: int | None = 0
    return_value: Json = None  # of a Soroban transaction, an SCVal; a V3 states void if it failed
    diagnostics: Sequence[ContractEvent] = ()  # of DiagnosticEvents, if they are asked for
