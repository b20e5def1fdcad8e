"""Prove that a range was still on the node after its events were read.

getEvents checks the range and reads the events in two steps. If the node trims
old ledgers in between, the page lacks their events and does not say so.
"""

from sorobanflow.errors import LedgerOutsideRetentionError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.client import RpcClient

#: A node trims far fewer ledgers than this while a range is read.
EDGE_LEDGERS = 1000


class EdgeCheck:
    """A chunk of a batch that holds no transactions and asks for the node's oldest ledger.

    A `LedgerChunk` needs none: getTransactions refuses a ledger that the node does not have.
    """

    def __init__(self, ledgers: LedgerRange) -> None:
        self._ledgers = ledgers
        self._passed = False
        self.label = f"edge of {ledgers}"

    def fetch(self, client: RpcClient) -> list[Transaction | Malformed]:
        """Check the range; once passed, the node is not asked again.

        Raises:
            LedgerOutsideRetentionError: the start of the range has left the node.
        """
        if not self._passed:
            oldest = client.get_health().oldest_ledger
            if oldest > self._ledgers.first:
                raise LedgerOutsideRetentionError(self._ledgers.first, oldest)
            self._passed = True
        return []
