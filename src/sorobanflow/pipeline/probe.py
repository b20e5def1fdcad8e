"""Find out what a backfill costs: fetch and decode a few batches, and write none.

For dry runs. Invariant: the database stays as it is.
"""

from typing import NamedTuple

from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.pipeline import Pipeline
from sorobanflow.sources.rpc.stats import RpcStats

#: Batches that are fetched: by then they have grown to 64 ledgers, if these hold that few events.
BATCHES = 2


class Probe(NamedTuple):
    """What fetching and decoding one batch cost.

    Attributes:
        ledgers: The batch.
        calls: RPC calls that it took.
        size_bytes: Bytes of their answers.
        fetch_s: Seconds until all of it was fetched.
        decode_s: Seconds until its rows were made.
    """

    ledgers: LedgerRange
    calls: int
    size_bytes: int
    fetch_s: float
    decode_s: float


def probe(pipeline: Pipeline, ledgers: LedgerRange, stats: RpcStats) -> Probe:
    """Fetch and decode the first batches of a range; gives the cost of the last one.

    The first batches of a run are small; the last one here costs about what those of a
    run cost once they have found their size.

    Args:
        pipeline: A pipeline that was not used yet.
        ledgers: The range.
        stats: Counts of the calls that the pipeline makes.
    """
    for _ in range(BATCHES):
        calls, size_bytes = stats.calls, stats.size_bytes
        batch = pipeline.fetch_and_decode(ledgers)
        ledgers = LedgerRange(batch.ledgers.last + 1, ledgers.last)
        if ledgers.size <= 0:
            break
    return Probe(
        batch.ledgers,
        stats.calls - calls,
        stats.size_bytes - size_bytes,
        batch.fetch_s,
        batch.decode_s,
    )
