"""A chunk of transactions known by hash, fetched with getTransaction.

Invariant: a chunk keeps what it has, so `fetch` after a fault asks only for the rest,
and it gives an item for every hash. NOT_FOUND for a ledger that the node has is retried
here: to the client it is a normal answer, and another node may know better.
"""

from collections.abc import Sequence

import msgspec

from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.jsonrpc_batch import Answer
from sorobanflow.sources.rpc.proof import missing_ledger
from sorobanflow.sources.rpc.wire import NotFound

NOT_FOUND_RETRIES = 3


class HashChunk:
    """Transactions by hash, given with their ledgers; `batch_calls` of them in one POST."""

    def __init__(self, wanted: Sequence[tuple[str, int]], batch_calls: int = 1) -> None:
        self.batch_calls = batch_calls
        self._ledgers = dict(wanted)
        self._answers: dict[str, Answer] = {}

    @property
    def label(self) -> str:
        """Its ledgers and its first transaction."""
        ledgers = self._ledgers.values()
        return f"{min(ledgers)}-{max(ledgers)}:{next(iter(self._ledgers))[:8]}"

    def fetch(self, client: RpcClient) -> list[Transaction | Malformed]:
        """Fetch what is still missing; give the whole chunk in the order wanted.

        A transaction that the node should have and never finds comes as malformed.

        Raises:
            NodeBehindError: the node does not have a transaction's ledger yet.
            LedgerOutsideRetentionError: it no longer has a transaction's ledger.
        """
        not_found = self._ask(client)
        for attempt in range(1, NOT_FOUND_RETRIES + 1):
            if not not_found:
                break
            client.pause(attempt)
            not_found = self._ask(client)
        self._answers.update((tx_hash, self._malformed(tx_hash)) for tx_hash in not_found)
        answers = (self._answers[tx_hash] for tx_hash in self._ledgers)
        return [answer for answer in answers if not isinstance(answer, NotFound)]

    def _ask(self, client: RpcClient) -> list[str]:
        """Ask for what has no answer; give, and drop, the transactions that are NOT_FOUND."""
        missing = [tx_hash for tx_hash in self._ledgers if tx_hash not in self._answers]
        for first in range(0, len(missing), self.batch_calls):
            client.get_transaction_batch(missing[first : first + self.batch_calls], self._answers)
        not_found = {h: told for h, told in self._answers.items() if isinstance(told, NotFound)}
        for tx_hash in not_found:
            del self._answers[tx_hash]
        for tx_hash, node in not_found.items():
            if error := missing_ledger(
                self._ledgers[tx_hash], node.oldest_ledger, node.latest_ledger
            ):
                raise error
        return list(not_found)

    def _malformed(self, tx_hash: str) -> Malformed:
        ledger = self._ledgers[tx_hash]
        payload = msgspec.json.encode({"txHash": tx_hash, "ledger": ledger}).decode()
        return Malformed(payload, f"NOT_FOUND though the node has ledger {ledger}")
