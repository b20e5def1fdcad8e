"""Read from the tables what an audit compares.

A filtered stream's own events are those that match the filter, by the rules of getEvents.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, and_, cast, func, or_, text, true
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.decode.reader import from_base64
from sorobanflow.decode.scval import read_scval
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.tables import events


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
