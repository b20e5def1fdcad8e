"""What a meta states about ledger entries whose state is kept, from `metas` to `rows.state`."""

from collections.abc import Sequence
from typing import NamedTuple

from sorobanflow.decode.contract_events import ContractEvent
from sorobanflow.decode.reader import Json

#: `op_order` of a change before the operations, and of one after them.
OP_BEFORE = 0
OP_AFTER = 4095


class Change(NamedTuple):
    """One change of one ledger entry; its values are shared, so never change them."""

    op_order: int  # OP_BEFORE, the operation's number from 1, or OP_AFTER
    change_order: int  # index in its LedgerEntryChanges, all items counted
    kind: str  # created, updated, removed or restored
    type: str  # a name of LedgerEntryType, such as offer; not config_setting
    key: Json  # body of the LedgerKey in SEP-51 form
    # SHA-256, hex, of the LedgerKey of contract data or code; of a ttl that of its entry.
    key_hash: str | None
    entry: Json  # body of the LedgerEntryData in SEP-51 form, without the Wasm; None if removed
    sponsor: str | None  # account (G…) that sponsors the entry's reserve, if any
    key_xdr: bytes | None  # of a contract data's key, an SCVal
    value_xdr: bytes | None  # of a contract data's value, an SCVal; or the Wasm; None if removed
    # What the meta shows of the entry before: of a contract's instance the SCVal; of a claimable
    # balance or a pool that was removed, whose keys name no asset, the entry.
    before: Json


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
