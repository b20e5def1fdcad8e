"""What a transaction's meta states about ledger entries.

`metas` makes these, `rows.state` makes rows of them. Only the entries whose state is kept
appear; offers, claimable balances, pools, data entries and settings do not.
"""

from typing import NamedTuple

from sorobanflow.decode.reader import Json

#: `op_order` of a change before the operations, and of one after them.
OP_BEFORE = 0
OP_AFTER = 4095


class Change(NamedTuple):
    """One change of one ledger entry; its values are shared, so never change them.

    Attributes:
        op_order: OP_BEFORE, the operation's number from 1, or OP_AFTER.
        change_order: Index in its LedgerEntryChanges, all items counted.
        kind: created, updated, removed or restored.
        type: account, trustline, contract_data, contract_code or ttl.
        key: Body of the LedgerKey in SEP-51 form.
        key_hash: SHA-256, hex, of the LedgerKey of contract data or code; of a ttl that
            of the entry whose time to live it is; else None.
        entry: Body of the LedgerEntryData in SEP-51 form, without the Wasm; None if removed.
        sponsor: Account (G…) that sponsors the entry's reserve, if any.
        key_xdr: XDR of a contract data's key, an SCVal; else None.
        value_xdr: XDR of a contract data's value, an SCVal, or a contract's Wasm; None
            for others and if removed.
        before: The SCVal of a contract's instance before, if the meta shows it.
    """

    op_order: int
    change_order: int
    kind: str
    type: str
    key: Json
    key_hash: str | None
    entry: Json
    sponsor: str | None
    key_xdr: bytes | None
    value_xdr: bytes | None
    before: Json


class Refund(NamedTuple):
    """What is refunded of a fee after all transactions of the ledger (since protocol 23).

    Not among the meta's changes, but in its fee event of the stage `after_all_txs`.
    """

    account: str
    stroops: int


class Meta(NamedTuple):
    """What is read of a TransactionMeta of any version, in the network's order."""

    soroban_fees: Json  # SorobanTransactionMetaExt in SEP-51 form, if there is one
    changes: list[Change]
    refunds: list[Refund]
