"""Split a batch's transactions into chunks for the workers.

Between the events of a batch, which hint at how many transactions its ledgers
hold, and the tasks that fetch them (`fetch`). Invariant: the chunks are a
partition of what is wanted whatever the hints say; hints only balance the work
and save the calls that prove an end.
"""

from collections.abc import Sequence
from itertools import pairwise

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import MIN_TRANSACTIONS
from sorobanflow.sources.rpc.fetch import HashChunk, LedgerChunk, Place
from sorobanflow.toid import MAX_TX


def plan_ledger_chunks(
    ledgers: LedgerRange, hints: Sequence[tuple[int, int]], workers: int, size: int
) -> list[LedgerChunk]:
    """Split every transaction of a range into chunks of a size, if the hints are right.

    A chunk that ends at a hinted transaction knows it is whole when it sees that
    one. Only the last must see past its end, so it asks for one more; and it is
    smaller than the others, whose full pages show that a node does not cut its.

    Args:
        ledgers: The range.
        hints: Ledger and number of its transactions, where known; may be too low.
        workers: Chunks at most where no hint says how they divide.
        size: Transactions per chunk.
    """
    known = {ledger: min(count, MAX_TX) for ledger, count in hints if ledgers.holds(ledger)}
    known = {ledger: count for ledger, count in sorted(known.items()) if count > 0}
    total = sum(known.values())
    if not total:
        return _by_ledgers(ledgers, workers)
    targets = [*range(0, total + 1, size), total]
    cuts = _places(known, targets[1:-1])
    places = [(ledgers.first, 0), *cuts, (ledgers.last, MAX_TX)]
    sizes = [high - low for low, high in pairwise(targets)]
    sizes[-1] += 1
    return [
        LedgerChunk(start, end, expected)
        for (start, end), expected in zip(pairwise(places), sizes, strict=True)
    ]


def plan_hash_chunks(
    wanted: Sequence[tuple[str, int]], workers: int, batch_calls: int
) -> list[HashChunk]:
    """Split transactions, given as hash and ledger, into at most `workers` chunks."""
    wanted = list(dict(wanted).items())
    parts = min(workers, -(-len(wanted) // batch_calls))
    bounds = [len(wanted) * part // parts for part in range(parts + 1)] if parts else []
    return [HashChunk(wanted[low:high], batch_calls) for low, high in pairwise(bounds)]


def _by_ledgers(ledgers: LedgerRange, workers: int) -> list[LedgerChunk]:
    parts = max(1, min(workers, ledgers.size))
    bounds = [ledgers.first + ledgers.size * part // parts for part in range(parts + 1)]
    # No event, so hardly a transaction: a small page shows that, and a full one is followed
    # by large ones.
    return [
        LedgerChunk((low, 0), (high - 1, MAX_TX), MIN_TRANSACTIONS)
        for low, high in pairwise(bounds)
    ]


def _places(known: dict[int, int], targets: Sequence[int]) -> list[Place]:
    """Find the places of the `targets`-th transactions, both ascending."""
    places: list[Place] = []
    counted = 0
    left = iter(targets)
    target = next(left, None)
    for ledger, count in known.items():
        while target is not None and target <= counted + count:
            places.append((ledger, target - counted))
            target = next(left, None)
        counted += count
    return places
