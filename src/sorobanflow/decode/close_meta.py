"""A whole ledger as `rows` takes it: what a node would give of it, and what only it knows.

Made by `decode.close_metas` from a LedgerCloseMeta. Invariant: what is here has been proved
as far as hashes can prove it. Source: Stellar-ledger.x.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sorobanflow.decode.changes import Change
from sorobanflow.decode.reader import Json
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.sources.items import Event, Transaction


class Header(NamedTuple):
    """What a LedgerHeader states; hashes are hex, amounts in stroops."""

    sequence: int
    hash: str
    previous_hash: str
    protocol: int
    closed_at: int  # Unix seconds
    base_fee: int
    base_reserve: int
    fee_pool: int
    total_coins: int


class FeeChanges(NamedTuple):
    """Changes that a transaction's fee makes outside the transaction, in the network's order.

    Their `op_order` is the transaction's place in the order of application, from 1.
    """

    before: list[Change]  # of feeProcessing, before all transactions
    after: list[Change]  # of postTxApplyFeeProcessing, after all transactions
    charged: int | None = None  # stroops of the former, the refund included; None: not told
    refunded: int | None = None  # stroops of the latter; None: not told


class Upgrade(NamedTuple):
    """An upgrade of the network that a ledger applied, after its transactions."""

    value: Json  # the LedgerUpgrade in SEP-51 form
    changes: list[Change]  # `op_order` is the upgrade's number, from 1


class CloseMeta(NamedTuple):
    """One ledger; `fees` and `transactions` are in the order of application."""

    header: Header
    transactions: list[Transaction]
    events: list[Event]  # in chain order, with the ids that a node gives them
    fees: list[FeeChanges]  # one for each transaction; without changes if the ledger is searched
    upgrades: list[Upgrade]
    #: LedgerKeys of the entries that left the live state, in order: contract data, code, and (since
    #: protocol 23) their ttl beside them.
    evicted: list[bytes]
    #: What the transactions state, but for their diagnostics; empty if the ledger was searched.
    decoded: Sequence[DecodedTransaction | None] = ()
