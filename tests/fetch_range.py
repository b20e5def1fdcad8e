"""Fetch a range from a source in the calling thread, for tests and benchmarks."""

from collections.abc import Iterator
from typing import NamedTuple

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.source import Source, fetch_batch


class FetchedBatch(NamedTuple):
    """The items of a batch of whole ledgers."""

    ledgers: LedgerRange
    events: list[Event | Malformed]
    transactions: list[Transaction | Malformed]


def fetch_range(source: Source, ledgers: LedgerRange, max_events: int) -> Iterator[FetchedBatch]:
    """Fetch a range batch by batch; for `max_events` see `Source.begin_batch`."""
    rest: LedgerRange | None = ledgers
    while rest is not None:
        batch = source.begin_batch(rest, max_events)
        items = fetch_batch(batch)
        yield FetchedBatch(batch.ledgers, [*items.events], [*items.transactions])
        rest = batch.rest
