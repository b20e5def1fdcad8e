"""Count the shapes of events that are not decoded, such as `deposit(symbol, address) i128`.

Invariant: each covered ledger of a stream is counted once; the table `audited` remembers it.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, exists, func, literal, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert

from sorobanflow.audit.names import event_id
from sorobanflow.ledgers import LedgerRange, split
from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.coverage import Stream
from sorobanflow.store.selected import matches
from sorobanflow.store.tables import event_shapes, events, quarantine, token_operations

#: Ledgers counted in one transaction.
CHUNK_LEDGERS = 10_000
#: New shapes that the summary names.
MAX_NAMED_SHAPES = 10

# The type of a SEP-51 value is its only key; a value without one, such as void, is its own type.
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
    """A shape of a contract's events, and their number."""

    contract_id: str
    shape: str
    events: int


class Recognition(NamedTuple):
    """How many shapes and events are not decoded, of all audited ledgers."""

    shapes: int  # counted per contract
    events: int
    new: int  # shapes that this audit saw first
    named: list[Shape]  # those of them with the most events


def recognize(
    engine: Engine,
    stream: Stream,
    event_filter: EventFilter | None,
    covered: Iterable[LedgerRange],
    on_chunk: Callable[[], object] = lambda: None,
) -> Recognition:
    """Count the shapes of the stream's covered ledgers that no audit has seen, and sum up."""
    began = datetime.now(UTC)
    for chunk in split(covered, CHUNK_LEDGERS):
        with engine.begin() as connection:
            for unseen in _mark_audited(connection, stream.name, chunk):
                _count(connection, stream.name, event_filter, unseen, began)
        on_chunk()
    return _sum_up(engine, stream.name, began)


def _mark_audited(connection: Connection, stream: str, ledgers: LedgerRange) -> list[LedgerRange]:
    """Mark ledgers as audited; returns those that were not. The lock orders concurrent audits."""
    values = {"stream": stream, **ledgers._asdict()}
    create = "INSERT INTO audited (stream) VALUES (:stream) ON CONFLICT DO NOTHING"
    chunk = "int4multirange(int4range(:first, :last, '[]'))"
    lock = f"SELECT {chunk} - ledgers FROM audited WHERE stream = :stream FOR UPDATE"  # noqa: S608
    mark = f"UPDATE audited SET ledgers = ledgers + {chunk} WHERE stream = :stream"  # noqa: S608
    connection.execute(text(create), values)
    unseen = connection.execute(text(lock), values).scalar_one()
    connection.execute(text(mark), values)
    return [LedgerRange(part.lower, part.upper - 1) for part in unseen]


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
            ~events.c.is_system,
            events.c.contract_id.is_not(None),
            matches(event_filter),
            ~exists().where(
                token_operations.c.ledger.between(*ledgers),
                *(token_operations.c[key.name] == key for key in events.primary_key),
            ),
            # An event whose token operation is in quarantine has a known shape.
            ~exists().where(
                quarantine.c.kind == "token_operation", quarantine.c.key == event_id(events)
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
    columns = event_shapes.c
    own, new = columns.stream == stream, columns.first_audit == began
    events_sum = func.coalesce(func.sum(columns.events), 0)
    totals = select(func.count(), events_sum, func.count().filter(new)).where(own)
    largest_new = (
        select(columns.contract_id, columns.shape, columns.events)
        .where(own, new)
        .order_by(columns.events.desc(), columns.contract_id, columns.shape)
        .limit(MAX_NAMED_SHAPES)
    )
    with engine.begin() as connection:
        shapes, count, new_shapes = connection.execute(totals).one()
        named = [Shape(*row) for row in connection.execute(largest_new)]
    return Recognition(shapes, int(count), new_shapes, named)
