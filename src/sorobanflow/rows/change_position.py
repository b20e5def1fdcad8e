"""The position of a change on the chain: it decides which of two changes is newer."""

from typing import NamedTuple


class ChangePosition(NamedTuple):
    """The position of a ledger entry's change, which every row of state carries."""

    ledger: int
    tx_order: int  # 1-based application order; MAX_TX after all transactions
    op_order: int  # 0 before the operations, 1-based operation, 4095 after them
    change_order: int  # index in its list of changes
