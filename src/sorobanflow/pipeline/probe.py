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
    """What fetching and decoding one batch cost."""

    ledgers: LedgerRange
    calls: int  # to the node
    size_bytes: int  # of its answers
    fetch_s: float  # until all was fetched
    decode_s: float  # until the rows were made


def probe(pipeline: Pipeline, ledgers: LedgerRange, stats: RpcStats) -> Probe:
    """Fetch and decode the first batches of a range; gives the cost of the last one.

    That one costs about what the batches of a run cost once they have found their size.
    The pipeline must be new; `stats` counts its calls.
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
