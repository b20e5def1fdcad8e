"""Read from the tables what an audit compares.

A filtered stream's own events are those that match the filter, by the rules of getEvents.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, and_, cast, func, or_, select, text, true
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.decode.reader import from_base64
from sorobanflow.decode.scval import read_scval
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.store.tables import events, operations, quarantine, transactions


def event_ids(
    connection: Connection, ledgers: LedgerRange, event_filter: EventFilter | None
) -> dict[str, int]:
    """Map the ids of a stream's events to their ledgers."""
    query = select(events.c.id, events.c.ledger).where(
        events.c.ledger.between(*ledgers), matches(event_filter)
    )
    return dict(connection.execute(query).tuples().all())


def transaction_ids(
    connection: Connection, ledgers: LedgerRange, only: Collection[str] | None
) -> dict[str, int]:
    """Map the hashes of transactions with all their operations to ledgers; `only`: of these."""
    stored_operations = (
        select(func.count()).where(operations.c.tx_hash == transactions.c.hash).scalar_subquery()
    )
    query = select(transactions.c.hash, transactions.c.ledger).where(
        transactions.c.ledger.between(*ledgers), transactions.c.operation_count == stored_operations
    )
    return {key: ledger for key, ledger in connection.execute(query) if only is None or key in only}


def in_quarantine(connection: Connection, kind: str, keys: Collection[str]) -> set[str]:
    """Select the keys that are in quarantine."""
    query = select(quarantine.c.key).where(
        quarantine.c.kind == kind, quarantine.c.key == func.any(list(keys))
    )
    return set(connection.execute(query).scalars()) if keys else set()


class Quarantined(NamedTuple):
    """Items in quarantine, of one kind and one class of error, since the oldest failed first."""

    kind: str
    error_class: str
    items: int
    ledgers: LedgerRange
    oldest: datetime


def quarantined(engine: Engine, ledgers: LedgerRange, stream: str) -> list[Quarantined]:
    """Count the quarantined items of these ledgers, by kind and class of error.

    A filtered stream has those that it fetched, and those of no known stream.
    """
    query = text(
        "SELECT kind, error_class, count(*), min(ledger), max(ledger), min(first_seen) "
        "FROM quarantine WHERE ledger BETWEEN :first AND :last "
        "AND (:stream = 'all' OR stream = :stream OR stream IS NULL) "
        "GROUP BY kind, error_class ORDER BY kind, error_class"
    )
    with engine.begin() as connection:
        return [
            Quarantined(kind, error_class, items, LedgerRange(first, last), oldest)
            for kind, error_class, items, first, last, oldest in connection.execute(
                query, {**ledgers._asdict(), "stream": stream}
            )
        ]


def matches(event_filter: EventFilter | None) -> ColumnElement[bool]:
    """Return the filter as a condition on `events`."""
    if event_filter is None:
        return true()
    contracts, topics = event_filter.contract_ids, event_filter.topics
    return and_(
        events.c.contract_id.in_(contracts) if contracts else true(),
        or_(*(_matches(topic) for topic in topics)) if topics else true(),
    )


def _matches(topic: tuple[str, ...]) -> ColumnElement[bool]:
    any_number = topic[-1] == "**"
    segments = topic[:-1] if any_number else topic
    count = func.jsonb_array_length(events.c.topics)
    return and_(
        count >= len(segments) if any_number else count == len(segments),
        *(
            events.c.topics[number] == cast(read_scval(from_base64("SCVal", segment)), JSONB)
            for number, segment in enumerate(segments)
            if segment != "*"
        ),
    )
