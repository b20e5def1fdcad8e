"""Chunks of transactions: what one worker fetches, and fetches on after a fault.

A batch's transactions are planned into chunks (`plan`), one task each. Invariant:
a chunk keeps what it has, so calling `fetch` again asks only for the rest; it
ends only when the node's answers prove that nothing of it is missing. Chunks are
plain classes because Prefect walks into the fields of dataclasses and models.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from sorobanflow.errors import (
    DecodeError,
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcProtocolError,
)
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.client import MAX_TRANSACTIONS, RpcClient
from sorobanflow.sources.rpc.jsonrpc_batch import Answer
from sorobanflow.sources.rpc.places import believed, placed, without_repeats, without_strays
from sorobanflow.sources.rpc.wire import Items, NotFound, TransactionsPage
from sorobanflow.toid import MAX_TX, parse_transactions_cursor, transactions_cursor

NOT_FOUND_RETRIES = 3

Place = tuple[int, int]  # a ledger, and the 1-based order of a transaction in it


class _Claim(msgspec.Struct, rename="camel", frozen=True):
    """What of a malformed transaction may still say where it belongs."""

    ledger: Any = None
    application_order: Any = None


_items = Items(Transaction)
_claims = msgspec.json.Decoder(_Claim)


class LedgerChunk:
    """The transactions behind one place up to another, walked with getTransactions.

    Args:
        start: The transaction behind which the chunk starts; order 0: the ledger's start.
        end: The last place of the chunk; order `MAX_TX`: the ledger's end.
        limit: Transactions to ask for at first; a good guess saves calls.
    """

    def __init__(self, start: Place, end: Place, limit: int = MAX_TRANSACTIONS) -> None:
        self.start = start
        self.end = end
        self.limit = limit
        self._reached = start
        self._done = False
        self._found: list[tuple[Place, Transaction | Malformed]] = []
        self._seen: set[str] = set()

    def __repr__(self) -> str:
        return f"LedgerChunk({self.start}, {self.end}, limit={self.limit})"

    @property
    def label(self) -> str:
        """The chunk as a log line names it: its ledgers, with orders where it cuts one."""
        (first, behind), (last, order) = self.start, self.end
        left = f"{first}:{behind + 1}" if behind else f"{first}"
        right = f"{last}:{order}" if order < MAX_TX else f"{last}"
        return left if left == right else f"{left}-{right}"

    def fetch(self, client: RpcClient) -> list[Transaction | Malformed]:
        """Fetch what is missing yet; give the whole chunk in chain order.

        Raises:
            NodeBehindError: the node does not have the end of the chunk yet.
            LedgerOutsideRetentionError: it no longer has the chunk's start.
            RpcProtocolError: its pages do not lead to the end of the chunk.
        """
        while not self._done:
            limit = min(self._expected(), MAX_TRANSACTIONS)
            page = client.get_transactions(transactions_cursor(*self._reached), limit=limit)
            largest = client.sizes["getTransactions"].largest_answer
            self._done = self._take(page, page.limit, largest)
        return without_strays([item for _, item in sorted(self._found, key=itemgetter(0))])

    def _expected(self) -> int:
        left = self.limit - len(self._found)
        return left if left > 0 else MAX_TRANSACTIONS

    def _take(self, page: TransactionsPage, asked: int, largest: int) -> bool:
        """Keep a page's transactions; whether the chunk is proved to be whole."""
        if page.oldest_ledger > self._reached[0]:  # a node may skip it in place of refusing it
            raise LedgerOutsideRetentionError(self._reached[0], page.oldest_ledger)
        size = len(page.transactions or ())
        cursor = _cursor(page)
        behind = self._page_end(page, cursor)
        items = [item for item in _items.decode(page.transactions) if self._is_new(item, behind)]
        items = without_repeats(items, lambda item: (item.tx_hash, _place_of(item)))
        items = believed(items, _place_of, self._reached, behind)
        known = [_place_of(item) for item in items if isinstance(item, Transaction)]
        newest = max(known, default=self._reached)
        # Behind a malformed last item only the cursor knows where the page ends.
        if cursor and items and isinstance(items[-1], Malformed):
            newest = max(newest, min(cursor, (page.latest_ledger, MAX_TX)))
        for place, item in placed(items, _place_of, _claimed, self._reached, behind):
            self._keep(place, item)
        advanced = newest > self._reached
        self._reached = max(self._reached, newest)
        if self._reached >= self.end:
            return True
        if size >= asked:
            if not advanced:
                raise RpcProtocolError(f"getTransactions: the pages stay at {self._reached}")
            return False
        walked = (cursor or behind)[0]
        return self._at_tip(page.latest_ledger, walked, advanced, size < largest)

    def _page_end(self, page: TransactionsPage, cursor: Place | None) -> Place:
        """Give the last place that the page can hold.

        A cursor that goes backwards says nothing of it: "0" from a node that is
        behind, (tip, 0) from one that has no more.
        """
        tip = (page.latest_ledger, MAX_TX)
        return min(cursor, tip) if cursor and cursor >= self._reached else tip

    def _is_new(self, item: Transaction | Malformed, behind: Place) -> bool:
        """Whether the item is not of the tip, which nodes deliver again and whole."""
        if isinstance(item, Malformed):
            return True
        # What stands before the chunk was never seen, so only its ledger can tell.
        before_the_chunk = _place_of(item) <= self.start and item.ledger == behind[0]
        return item.tx_hash not in self._seen and not before_the_chunk

    def _keep(self, place: Place, item: Transaction | Malformed) -> None:
        key = item.payload if isinstance(item, Malformed) else item.tx_hash
        if place <= self.end and key not in self._seen:
            self._seen.add(key)
            self._found.append((place, item))

    def _at_tip(self, latest: int, walked: int, advanced: bool, uncapped: bool) -> bool:
        """Whether a page that is not full proves that the node has nothing more.

        A provider may cut pages to less than was asked. This page is not cut if
        the node has given a larger one; else only another call can tell.
        """
        last = self.end[0]
        if latest < last or not (advanced or walked >= last):
            raise NodeBehindError(last, min(latest, walked))
        return walked >= last and (uncapped or not advanced)


class HashChunk:
    """Transactions by hash, asked for with getTransaction, in JSON-RPC batches.

    Args:
        wanted: Hash and ledger of each transaction.
        batch_calls: Calls per batch; 1: no batches.
    """

    def __init__(self, wanted: Sequence[tuple[str, int]], batch_calls: int = 1) -> None:
        self.batch_calls = batch_calls
        self._ledgers = dict(wanted)
        self._answers: dict[str, Answer] = {}

    def __repr__(self) -> str:
        return f"HashChunk({len(self._ledgers)} transactions, batch_calls={self.batch_calls})"

    @property
    def label(self) -> str:
        """The chunk as a log line names it: its ledgers and its first transaction."""
        ledgers = self._ledgers.values()
        return f"{min(ledgers)}-{max(ledgers)}:{next(iter(self._ledgers))[:8]}"

    def fetch(self, client: RpcClient) -> list[Transaction | Malformed]:
        """Fetch what is missing yet; give the whole chunk in the order wanted.

        A transaction that the node should have and does not find is asked for
        again, and in the end delivered as malformed.

        Raises:
            NodeBehindError: the node does not have a transaction's ledger yet.
            LedgerOutsideRetentionError: it no longer has a transaction's ledger.
        """
        for attempt in range(1, NOT_FOUND_RETRIES + 1):
            self._ask(client)
            if not self._take_back():
                break
            client.pause(attempt)
        else:
            self._ask(client)
            self._answers.update((name, self._lost(name)) for name in self._take_back())
        found = (self._answers[name] for name in self._ledgers)
        return [answer for answer in found if not isinstance(answer, NotFound)]

    def _ask(self, client: RpcClient) -> None:
        missing = [name for name in self._ledgers if name not in self._answers]
        for first in range(0, len(missing), self.batch_calls):
            client.get_transaction_batch(missing[first : first + self.batch_calls], self._answers)

    def _take_back(self) -> list[str]:
        """Drop the answers that are NOT_FOUND, for good if their ledger says so."""
        lost = {name: told for name, told in self._answers.items() if isinstance(told, NotFound)}
        for name in lost:
            del self._answers[name]
        for name, told in lost.items():
            ledger = self._ledgers[name]
            if ledger < told.oldest_ledger:
                raise LedgerOutsideRetentionError(ledger, told.oldest_ledger)
            if ledger > told.latest_ledger:
                raise NodeBehindError(ledger, told.latest_ledger)
        return list(lost)

    def _lost(self, tx_hash: str) -> Malformed:
        ledger = self._ledgers[tx_hash]
        payload = msgspec.json.encode({"txHash": tx_hash, "ledger": ledger}).decode()
        return Malformed(payload, f"NOT_FOUND though the node has ledger {ledger}")


def _place_of(transaction: Transaction) -> Place:
    return transaction.ledger, transaction.application_order


def _claimed(item: Malformed, before: Place) -> Place | None:
    """Give the place that an item says it has; if it says half of it, the earliest that fits.

    Then one of a later chunk, where it may come sound, is not kept here as well.
    """
    try:
        claim = _claims.decode(item.payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    ledger = claim.ledger if type(claim.ledger) is int else None
    order = claim.application_order
    if type(order) is not int or order < 1:
        return (ledger, 0) if ledger is not None else None
    if ledger is None:
        ledger = before[0] if order > before[1] else before[0] + 1
    return ledger, order


def _cursor(page: TransactionsPage) -> Place | None:
    if not page.cursor:
        return None
    try:
        return parse_transactions_cursor(page.cursor)
    except DecodeError as error:
        raise RpcProtocolError(f"getTransactions: the cursor is wrong: {error}") from None
