"""The position of a change on the chain: it decides which of two changes is newer."""

from typing import NamedTuple


class ChangePosition(NamedTuple):
    """The position of a ledger entry's change, which every row of state carries.

    Attributes:
        ledger: Sequence of the ledger.
        tx_order: 1-based application order; MAX_TX after all transactions.
        op_order: 0 before the operations, 1-based operation, 4095 after them.
        change_order: Index in its list of changes.
    """

    ledger: int
    tx_order: int
    op_order: int
    change_order: int
