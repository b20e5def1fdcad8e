"""A chunk of consecutive transactions, read with getTransactions page by page.

Invariant: a chunk keeps what it has, so `fetch` after a fault asks only for the rest;
it is done only when the answers prove that nothing is missing (`proof`).
"""

from operator import attrgetter

from sorobanflow.errors import LedgerOutsideRetentionError
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.client import MAX_TRANSACTIONS, MIN_TRANSACTIONS, RpcClient
from sorobanflow.sources.rpc.positions import Collected, Positioned
from sorobanflow.sources.rpc.proof import is_proved, transactions_page_end, usable_cursor
from sorobanflow.sources.rpc.wire import TransactionsPage
from sorobanflow.toid import MAX_TX, TxPosition, parse_transactions_cursor


class LedgerChunk:
    """The transactions after one position (order 0: the ledger's start) up to another.

    The first call asks for `limit`; a good guess saves calls. A plain class, because
    Prefect walks into the fields of dataclasses and models.
    """

    def __init__(
        self, start: tuple[int, int], end: tuple[int, int], limit: int = MAX_TRANSACTIONS
    ) -> None:
        self.start = TxPosition(*start)
        self.end = TxPosition(*end)
        self.limit = limit
        self._reached = self.start
        self._is_read = False
        self._collected: Collected[Transaction, TxPosition] = Collected(
            self.start, self.end, attrgetter("tx_hash"), _claimed_position
        )

    @property
    def label(self) -> str:
        """Its ledgers, with orders where it cuts one."""
        (first, after), (last, order) = self.start, self.end
        left = f"{first}:{after + 1}" if after else f"{first}"
        right = f"{last}:{order}" if order < MAX_TX else f"{last}"
        return left if left == right else f"{left}-{right}"

    def fetch(self, client: RpcClient) -> list[Transaction | Malformed]:
        """Fetch what is still missing; give the whole chunk in chain order.

        For the errors see `EventsWalk.read`.
        """
        while not self._is_read:
            found = len(self._collected)
            # After more than expected, ask for so many that few are of later ledgers.
            wanted = self.limit - found if found < self.limit else max(MIN_TRANSACTIONS, 2 * found)
            limit = min(wanted, MAX_TRANSACTIONS)
            self._take(client.get_transactions(self._reached.cursor, limit=limit))
        return self._collected.in_order(self.end)

    def _take(self, page: TransactionsPage[Transaction | Malformed]) -> None:
        """Keep a page's transactions, and go on to its end."""
        if page.oldest_ledger > self._reached.ledger:  # some nodes skip it and do not refuse
            raise LedgerOutsideRetentionError(self._reached.ledger, page.oldest_ledger)
        tip = TxPosition(page.latest_ledger, MAX_TX)
        cursor = usable_cursor(page.cursor, parse_transactions_cursor, self._reached, tip)
        last = self._collected.add([*map(_placed, page.items or ())], self._reached, cursor or tip)
        page_end = transactions_page_end(not page.items, last, cursor, tip)
        self._is_read = is_proved("getTransactions", page_end, self._reached, self.end, tip)
        self._reached = page_end


def _placed(item: Transaction | Malformed) -> Positioned[TxPosition, Transaction]:
    if isinstance(item, Malformed):
        return None, item
    return TxPosition(item.ledger, item.application_order), item


def _claimed_position(item: Malformed, after: TxPosition) -> TxPosition | None:
    """Give the position that an item claims; if it claims half of one, the earliest that fits."""
    ledger, order = item.fields.get("ledger"), item.fields.get("applicationOrder")
    if type(order) is not int or order < 1:
        order = 0
    if type(ledger) is int:
        return TxPosition(ledger, order)
    return TxPosition(after.ledger + (order <= after.order), order) if order else None
