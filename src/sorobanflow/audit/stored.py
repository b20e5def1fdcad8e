"""Read from the tables what an audit compares.

A filtered stream's own events are those that match the filter, by the rules of getEvents.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, and_, cast, func, or_, text, true
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.decode.reader import from_base64
from sorobanflow.decode.scval import read_scval
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.store.tables import events

_LOST = text("""
SELECT ledger, kind || ' ' || key
FROM unnest(CAST(:kinds AS text[]), CAST(:keys AS text[]), CAST(:ledgers AS int[]))
    AS bad (kind, key, ledger)
WHERE NOT EXISTS (SELECT FROM quarantine WHERE kind = bad.kind AND key = bad.key)
AND NOT EXISTS (SELECT FROM events WHERE bad.kind = 'event' AND id = bad.key)
AND NOT EXISTS (SELECT FROM transactions WHERE bad.kind = 'transaction' AND hash = bad.key)
AND NOT EXISTS (
    SELECT FROM token_operations WHERE bad.kind = 'token_operation' AND event_id = bad.key
)
ORDER BY ledger, kind, key
""")


def lost_items(connection: Connection, rows: Sequence[QuarantineRow]) -> list[tuple[int, str]]:
    """Select bad items that are neither in quarantine nor stored: ledger, and kind and key."""
    values = {
        "kinds": [row.kind for row in rows],
        "keys": [row.key for row in rows],
        "ledgers": [row.ledger for row in rows],
    }
    return [(ledger, name) for ledger, name in connection.execute(_LOST, values)] if rows else []


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
