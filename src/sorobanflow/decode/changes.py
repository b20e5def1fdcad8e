"""What a transaction's meta states about ledger entries.

The types between `decode` and `rows`: `metas` makes them, `rows.state` makes rows of
them. Only the entries whose state is kept appear; offers, claimable balances, pools, data
entries and settings do not, nor do the `state` items, which change nothing.
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
        key: Body of the LedgerKey in SEP-51 form, such as
            `{"contract": "C…", "key": …, "durability": "persistent"}`.
        key_hash: SHA-256 of the LedgerKey's XDR, hex: of contract data and code;
            for a ttl the hash of the entry whose time to live it is; else None.
        entry: Body of the LedgerEntryData in SEP-51 form; None if removed. That
            of contract code lacks `code`, which is in `value_xdr`.
        sponsor: Account (G…) that sponsors the entry's reserve, if any.
        key_xdr: XDR of a contract data's key (an SCVal); else None.
        value_xdr: XDR of a contract data's value (an SCVal), or the Wasm of
            contract code; else, and if removed, None.
        before: Only for a contract's instance: its value before, a SEP-51 SCVal;
            None if the meta does not show it.
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
    """What is read of a TransactionMeta of any version.

    Attributes:
        soroban_fees: SorobanTransactionMetaExt in SEP-51 form ("v0", or an
            object under "v1"); None if there is no Soroban meta.
        changes: In the network's order.
        refunds: In the order of the events.
    """

    soroban_fees: Json
    changes: list[Change]
    refunds: list[Refund]
