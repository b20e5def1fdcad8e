"""Cut a batch's transactions into chunks, one task each: by ledgers or by hashes.

Unfiltered indexing wants every transaction, so workers take ledgers (getTransactions).
Filtered indexing wants those of the matching events: by hash (getTransaction), unless
they are so many that whole pages are cheaper. Invariant: the chunks are a partition of
what is wanted, whatever the estimates say.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Literal

from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Transaction
from sorobanflow.sources.rpc.client import MIN_TRANSACTIONS, RpcClient
from sorobanflow.sources.rpc.edge_check import EdgeCheck
from sorobanflow.sources.rpc.events_walk import EventsRead
from sorobanflow.sources.rpc.hash_chunk import HashChunk
from sorobanflow.sources.rpc.ledger_chunk import LedgerChunk
from sorobanflow.toid import MAX_TX, TxPosition

FetchPlan = Literal["auto", "ledgers", "hashes"]
TransactionChunk = LedgerChunk | HashChunk | EdgeCheck

#: Whole pages are cheaper from this share of the ledgers' transactions on.
MIN_SHARE_FOR_LEDGERS = 0.5


class TransactionPlanner:
    """Plans the chunks of batches, for one run; shared by threads."""

    def __init__(self, plan: FetchPlan, filtered: bool, workers: int, batch_calls: int) -> None:
        if plan == "hashes" and not filtered:
            raise ConfigurationError(
                "fetch_plan 'hashes' fetches only transactions that have events, and without "
                "a filter every transaction is wanted; use 'auto' or 'ledgers', or give a filter"
            )
        self._plan = plan
        self._filtered = filtered
        self._workers = workers
        self._batch_calls = batch_calls
        self._per_ledger: float | None = None  # transactions; only of filtered streams
        self._unnamed: float | None = None  # transactions per ledger that no event names

    def chunks(
        self, client: RpcClient, read: EventsRead, other_batches: int = 0
    ) -> Sequence[TransactionChunk]:
        """Plan the chunks of a batch whose events were read.

        The more batches are in flight, the fewer chunks for each: a task costs more than a call.
        """
        ledgers, wanted = read.ledgers, read.named
        if not self._filtered or (wanted and self._ledgers_are_cheaper(client, ledgers, wanted)):
            # The first chunk fails where the node no longer has the range.
            return self._ledger_chunks(client, read, wanted, other_batches)
        edge = [EdgeCheck(ledgers)] if read.near_edge else []
        return [*self.hash_chunks(client, wanted), *edge]

    def hash_chunks(self, client: RpcClient, wanted: Mapping[str, int]) -> list[HashChunk]:
        """Cut transactions, given as ledger by hash, into a chunk per worker at most."""
        return cut_hashes([*wanted.items()], self._workers, self._calls_per_post(client))

    def learn(self, ledgers: LedgerRange, transactions: int, named: int) -> None:
        """Take in how many transactions whole ledgers held, and how many their events named.

        Recent ledgers weigh most.
        """
        others = max(0, transactions - named)
        if not self._filtered:
            self._unnamed = _average(self._unnamed, others / ledgers.size)
        elif others:  # they came in whole pages
            self._per_ledger = _average(self._per_ledger, transactions / ledgers.size)

    def _ledger_chunks(
        self, client: RpcClient, read: EventsRead, wanted: Mapping[str, int], other_batches: int
    ) -> list[LedgerChunk]:
        estimates = self._estimates(read.ledgers, wanted)
        max_chunks = -(-self._workers // (other_batches + 1))
        total = sum(estimates.values())
        size = max(client.sizes["getTransactions"].items_per_task, -(-(total + 1) // max_chunks))
        return cut_ledgers(read.ledgers, estimates, size, at_tip=read.at_tip)

    def _estimates(self, ledgers: LedgerRange, wanted: Mapping[str, int]) -> dict[int, int]:
        """Estimate the transactions of each ledger: those with events, and as many others as usual.

        Nodes need not emit events of classic transactions.
        """
        named, usual = Counter(wanted.values()), self._unnamed or 0.0
        return {
            ledger: count
            for number, ledger in enumerate(range(ledgers.first, ledgers.last + 1))
            if (count := named[ledger] + int((number + 1) * usual) - int(number * usual))
        }

    def _ledgers_are_cheaper(
        self, client: RpcClient, ledgers: LedgerRange, wanted: Mapping[str, int]
    ) -> bool:
        if self._plan != "auto":
            return self._plan == "ledgers"
        if len(wanted) <= self._calls_per_post(client):
            return False  # one POST brings them, and nothing else
        if self._per_ledger is None:
            try:
                self._per_ledger = _measure(client, ledgers.first)
            except RetriableError:  # the plan is only a guess at what is cheaper
                return False
        return len(wanted) >= MIN_SHARE_FOR_LEDGERS * self._per_ledger * ledgers.size

    def _calls_per_post(self, client: RpcClient) -> int:
        """Transactions that one POST asks for by hash."""
        accepted = client.sizes["getTransaction"].items if client.batches.accepted else 1
        return min(self._batch_calls, accepted)


def cut_ledgers(
    ledgers: LedgerRange,
    estimates: Mapping[int, int],
    size: int,
    *,
    at_tip: bool = False,
) -> list[LedgerChunk]:
    """Cut the transactions of a range into chunks of a size, if the estimates are right.

    The estimates are by ledger, ascending. The last chunk must see past its end, so it asks
    for one more, which is of a later ledger. At the tip there is none: a chunk of its own asks
    what follows the last estimated transaction.
    """
    counts = {ledger: min(count, MAX_TX) for ledger, count in estimates.items()}
    total = sum(counts.values())
    if at_tip:
        targets = [*range(0, total, size), total, total]
    else:
        targets = [*range(0, total + 1, size), total]
    sizes = [high - low for low, high in pairwise(targets)]
    # At the tip more than one: some nodes start a page with what precedes it in its ledger.
    sizes[-1] += MIN_TRANSACTIONS if at_tip and total else 1
    positions = [(ledgers.first, 0), *_positions(counts, targets[1:-1]), (ledgers.last, MAX_TX)]
    return [
        LedgerChunk(start, end, expected)
        for (start, end), expected in zip(pairwise(positions), sizes, strict=True)
    ]


def cut_hashes(
    wanted: Sequence[tuple[str, int]], max_chunks: int, batch_calls: int
) -> list[HashChunk]:
    """Cut transactions, given as hash and ledger, into chunks of at least a JSON-RPC batch."""
    parts = min(max_chunks, -(-len(wanted) // batch_calls))
    bounds = [len(wanted) * part // parts for part in range(parts + 1)] if parts else []
    return [HashChunk(wanted[low:high], batch_calls) for low, high in pairwise(bounds)]


def _positions(counts: Mapping[int, int], targets: Sequence[int]) -> Iterator[TxPosition]:
    """Find the positions of the `targets`-th transactions."""
    ledgers, ends = [*counts], [*accumulate(counts.values())]
    for target in targets:
        index = bisect_left(ends, target)
        ledger = ledgers[index]
        yield TxPosition(ledger, target - ends[index] + counts[ledger])


def _average(before: float | None, now: float) -> float:
    return now if before is None else (before + now) / 2


def _measure(client: RpcClient, ledger: int) -> float:
    """Measure the transactions per ledger on one page."""
    page = client.get_transactions(start=ledger).items or ()
    ledgers = {item.ledger for item in page if isinstance(item, Transaction)}
    return len(page) / (max(ledgers) - ledger + 1) if ledgers else 0.0
