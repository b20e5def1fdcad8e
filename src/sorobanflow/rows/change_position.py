"""The position of a change on the chain: it decides which of two changes is newer."""

from typing import NamedTuple

from sorobanflow.decode.changes import Change
from sorobanflow.toid import MAX_TX

#: `tx_order` of changes outside of the transactions. Those of fees and upgrades have the number,
#: from 1, of their transaction or upgrade as `op_order`. A node tells none of them, but refunds
#: of fees if it states these as events: such are after the transactions, with `op_order` 0.
BEFORE_TRANSACTIONS = 0
AFTER_TRANSACTIONS = MAX_TX
UPGRADES = MAX_TX + 1
EVICTIONS = MAX_TX + 2


class ChangePosition(NamedTuple):
    """The position of a ledger entry's change, which every row of state carries."""

    ledger: int
    tx_order: int  # 1-based application order, or one of the above
    op_order: int  # 0 before the operations, 1-based operation, 4095 after them
    change_order: int  # index in its list of changes


class PlacedChange(NamedTuple):
    """A change of a ledger entry, with its place on the chain, of which no row was made yet."""

    change: Change
    ledger: int
    tx_order: int
    tx_hash: str | None  # hex, of the transaction that made it

    @property
    def position(self) -> ChangePosition:
        """The position of the change."""
        change = self.change
        return ChangePosition(self.ledger, self.tx_order, change.op_order, change.change_order)
