"""What the tables hold, as an audit asks for it.

Reads only. A filtered stream shares its tables with other streams: what is its
own is told by the filter, as the node reads it.
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

#: Stored ledgers over which the pace of the chain is measured: an hour and a half.
PACE_LEDGERS = 1000


def event_ids(
    connection: Connection, ledgers: LedgerRange, event_filter: EventFilter | None
) -> dict[str, int]:
    """Read the ids of a stream's events, with their ledgers."""
    query = select(events.c.id, events.c.ledger).where(
        events.c.ledger.between(*ledgers), is_wanted(event_filter)
    )
    return dict(connection.execute(query).tuples().all())


def transaction_ids(
    connection: Connection, ledgers: LedgerRange, only: Collection[str] | None
) -> dict[str, int]:
    """Read the hashes of transactions, with their ledgers; one that lacks operations is not there.

    Args:
        connection: In a transaction.
        ledgers: Their ledgers.
        only: The hashes in question; None: all.
    """
    held = select(func.count()).where(operations.c.tx_hash == transactions.c.hash).scalar_subquery()
    query = select(transactions.c.hash, transactions.c.ledger).where(
        transactions.c.ledger.between(*ledgers), transactions.c.operation_count == held
    )
    return {key: ledger for key, ledger in connection.execute(query) if only is None or key in only}


def in_quarantine(connection: Connection, kind: str, keys: Collection[str]) -> set[str]:
    """Give those of the keys that are in quarantine."""
    query = select(quarantine.c.key).where(
        quarantine.c.kind == kind, quarantine.c.key == func.any(list(keys))
    )
    return set(connection.execute(query).scalars()) if keys else set()


class Quarantined(NamedTuple):
    """Items of a kind that failed with an error of a class.

    Attributes:
        kind: event, transaction or token_operation.
        error_class: Class of the error.
        items: How many.
        ledgers: From the first ledger to the last that they stand under.
        oldest: When the first of them failed first.
    """

    kind: str
    error_class: str
    items: int
    ledgers: LedgerRange
    oldest: datetime


def quarantined(engine: Engine, ledgers: LedgerRange, stream: str) -> list[Quarantined]:
    """Count what is in quarantine of these ledgers, by kind and class of error.

    The stream of everything answers for every item; a filtered one for those
    that it fetched, or that nobody knows of who did.
    """
    own = or_(quarantine.c.stream == stream, quarantine.c.stream.is_(None))
    ledger = quarantine.c.ledger
    query = (
        select(
            quarantine.c.kind,
            quarantine.c.error_class,
            func.count(),
            func.min(ledger),
            func.max(ledger),
            func.min(quarantine.c.first_seen),
        )
        .where(ledger.between(*ledgers), true() if stream == "all" else own)
        .group_by(quarantine.c.kind, quarantine.c.error_class)
        .order_by(quarantine.c.kind, quarantine.c.error_class)
    )
    with engine.begin() as connection:
        return [
            Quarantined(kind, error_class, items, LedgerRange(first, last), oldest)
            for kind, error_class, items, first, last, oldest in connection.execute(query)
        ]


def seconds_per_ledger(engine: Engine) -> float | None:
    """Measure the pace of the chain from the close times of the newest stored ledgers.

    None where they do not tell: fewer than two, or closed at the same second.
    """
    with engine.begin() as connection:
        pace = connection.execute(
            text(
                "SELECT extract(epoch FROM max(closed_at) - min(closed_at))::float "
                "/ nullif(max(sequence) - min(sequence), 0) FROM "
                "(SELECT sequence, closed_at FROM ledgers ORDER BY sequence DESC LIMIT :most) AS l"
            ),
            {"most": PACE_LEDGERS},
        ).scalar()
    return pace or None


def is_wanted(event_filter: EventFilter | None) -> ColumnElement[bool]:
    """Give the filter as a condition on `events`."""
    if event_filter is None:
        return true()
    contracts, topics = event_filter.contract_ids, event_filter.topics
    return and_(
        events.c.contract_id.in_(contracts) if contracts else true(),
        or_(*(_matches(topic) for topic in topics)) if topics else true(),
    )


def _matches(topic: tuple[str, ...]) -> ColumnElement[bool]:
    any_more = topic[-1] == "**"
    segments = topic[:-1] if any_more else topic
    count = func.jsonb_array_length(events.c.topics)
    return and_(
        count >= len(segments) if any_more else count == len(segments),
        *(
            events.c.topics[number] == cast(read_scval(from_base64("SCVal", segment)), JSONB)
            for number, segment in enumerate(segments)
            if segment != "*"
        ),
    )
