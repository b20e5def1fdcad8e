"""Where a change stands on the chain: what decides which of two is newer."""

from typing import NamedTuple


class ChangePosition(NamedTuple):
    """The order of a ledger entry's change, as every row of state carries it.

    Attributes:
        ledger: Sequence of the ledger.
        tx_order: 1-based application order; MAX_TX for what follows all transactions.
        op_order: 0 before the operations, 1-based operation, 4095 behind them.
        change_order: Index in its list of changes.
    """

    ledger: int
    tx_order: int
    op_order: int
    change_order: int
