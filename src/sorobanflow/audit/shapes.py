"""Recognition: the shapes of contract events that no token operation was read from.

A shape is the first topic's symbol, the types of the topics and that of the
value, such as `deposit(symbol, address) i128`. Part of an audit: what appears
here is what the indexer keeps as JSON only. Invariant: each covered ledger of a
stream is counted once, when an audit first sees it, whatever the order in which
ledgers are indexed; `audited` remembers which. A ledger that is indexed again
later is not counted again.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, exists, func, literal, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert

from sorobanflow.audit.stored import is_wanted
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.store.coverage import Stream
from sorobanflow.store.tables import event_shapes, events, quarantine, token_operations

#: Ledgers counted in one transaction.
PORTION_LEDGERS = 10_000
#: New shapes that are named.
NAMED = 10

# The type of a SEP-51 value is its only key, or itself where it is a plain word.
_SHAPE = """
coalesce(topics #>> '{0,symbol}', '') || '(' || coalesce((
    SELECT string_agg(CASE jsonb_typeof(topic)
        WHEN 'object' THEN (SELECT min(key) FROM jsonb_object_keys(topic) AS key)
        ELSE topic #>> '{}' END, ', ' ORDER BY place)
    FROM jsonb_array_elements(topics) WITH ORDINALITY AS one (topic, place)
), '') || ') ' || CASE jsonb_typeof(value)
    WHEN 'object' THEN (SELECT min(key) FROM jsonb_object_keys(value) AS key)
    ELSE value #>> '{}' END
"""


class Shape(NamedTuple):
    """A shape of events of a contract, and how many were counted."""

    contract_id: str
    shape: str
    events: int


class Recognition(NamedTuple):
    """What nobody decodes, of the ledgers that audits have seen.

    Attributes:
        shapes: Number of shapes, per contract.
        events: Number of events.
        new: Number of shapes that this audit saw first.
        named: Those of them with the most events.
    """

    shapes: int
    events: int
    new: int
    named: list[Shape]


def recognize(
    engine: Engine,
    stream: Stream,
    event_filter: EventFilter | None,
    covered: Iterable[LedgerRange],
) -> Recognition:
    """Count the shapes of covered ledgers that no audit has seen, and sum up.

    Args:
        engine: The database.
        stream: The stream.
        event_filter: Its filter.
        covered: Its covered ledgers.
    """
    began = datetime.now(UTC)
    for part in covered:
        for first in range(part.first, part.last + 1, PORTION_LEDGERS):
            last = min(first + PORTION_LEDGERS - 1, part.last)
            with engine.begin() as connection:
                for unseen in _unseen(connection, stream.name, LedgerRange(first, last)):
                    _count(connection, stream.name, event_filter, unseen, began)
    return _sum_up(engine, stream.name, began)


def _unseen(connection: Connection, stream: str, ledgers: LedgerRange) -> list[LedgerRange]:
    """Take the ledgers that no audit has seen; the lock orders audits side by side."""
    values = {"stream": stream, "first": ledgers.first, "last": ledgers.last}
    connection.execute(
        text("INSERT INTO audited (stream) VALUES (:stream) ON CONFLICT DO NOTHING"), values
    )
    connection.execute(text("SELECT FROM audited WHERE stream = :stream FOR UPDATE"), values)
    unseen = connection.execute(
        text(
            "SELECT lower(part), upper(part) - 1 FROM audited, "
            "unnest(int4multirange(int4range(:first, :last, '[]')) - ledgers) AS part "
            "WHERE stream = :stream"
        ),
        values,
    ).all()
    connection.execute(
        text(
            "UPDATE audited SET ledgers = ledgers + int4multirange(int4range(:first, :last, '[]')) "
            "WHERE stream = :stream"
        ),
        values,
    )
    return [LedgerRange(*row) for row in unseen]


def _count(
    connection: Connection,
    stream: str,
    event_filter: EventFilter | None,
    ledgers: LedgerRange,
    began: datetime,
) -> None:
    counted = (
        select(
            literal(stream),
            events.c.contract_id,
            literal_column(_SHAPE).label("shape"),
            func.count(),
            func.min(events.c.ledger),
            func.max(events.c.ledger),
            literal(began),
        )
        .where(
            events.c.ledger.between(*ledgers),
            events.c.type == "contract",
            events.c.contract_id.is_not(None),
            is_wanted(event_filter),
            ~exists().where(token_operations.c.event_id == events.c.id),
            # A token operation that could not be decoded is recognized all the same.
            ~exists().where(
                quarantine.c.kind == "token_operation", quarantine.c.key == events.c.id
            ),
        )
        .group_by(events.c.contract_id, literal_column("shape"))
    )
    new = insert(event_shapes).from_select(event_shapes.columns.keys(), counted)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=event_shapes.primary_key,
            set_={
                "events": event_shapes.c.events + new.excluded.events,
                "first_ledger": func.least(event_shapes.c.first_ledger, new.excluded.first_ledger),
                "last_ledger": func.greatest(event_shapes.c.last_ledger, new.excluded.last_ledger),
            },
        )
    )


def _sum_up(engine: Engine, stream: str, began: datetime) -> Recognition:
    own, is_new = event_shapes.c.stream == stream, event_shapes.c.first_audit == began
    columns = event_shapes.c
    with engine.begin() as connection:
        shapes, count, new = connection.execute(
            select(
                func.count(),
                func.coalesce(func.sum(columns.events), 0),
                func.count().filter(is_new),
            ).where(own)
        ).one()
        named = connection.execute(
            select(columns.contract_id, columns.shape, columns.events)
            .where(own, is_new)
            .order_by(columns.events.desc(), columns.contract_id, columns.shape)
            .limit(NAMED)
        ).all()
    return Recognition(shapes, int(count), new, [Shape(*row) for row in named])
