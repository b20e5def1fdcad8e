"""What only whole ledgers tell, as conditions in SQL, for what merges, replaces and compares.

A ledger that came whole (a LedgerCloseMeta) holds changes of state that no answer of a node shows:
those of fees outside of the transactions, of upgrades and of evictions. Of history it tells what
`LEFT_OPEN` lists.
"""

from sorobanflow.rows.change_position import AFTER_TRANSACTIONS, BEFORE_TRANSACTIONS
from sorobanflow.store.tables import VersionGroup, transactions

#: Columns of history that a node leaves null where its metas do not tell them.
LEFT_OPEN = {transactions: ("inclusion_fee_charged", "resource_fee_refund")}


def only_whole(group: VersionGroup, alias: str) -> str:
    """Write the condition that a state row's group dates from a change that no node tells.

    Its ledger came whole, and the change is one of fees, upgrades or evictions. Such a change
    gives way to no answer of a node, and an audit with a node does not judge it.
    """
    ledger, tx_order = (f"{alias}.{name}" for name in group.order[:2])
    outside = f"{tx_order} = {BEFORE_TRANSACTIONS} OR {tx_order} > {AFTER_TRANSACTIONS}"
    if "op_order" in group.order:
        outside += f" OR ({tx_order} = {AFTER_TRANSACTIONS} AND {alias}.op_order > 0)"
    return f"(({outside}) AND {came_whole(ledger)})"


def came_whole(ledger: str) -> str:
    """Write the condition that a ledger, an expression, came whole."""
    return f"EXISTS (SELECT FROM ledgers AS w WHERE w.sequence = {ledger} AND w.hash IS NOT NULL)"
