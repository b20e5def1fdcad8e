"""A filter as a condition in SQL: a filtered stream's own events are those that match it.

They match by the rules of getEvents.
"""

from sqlalchemy import ColumnElement, and_, cast, func, or_, true
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.decode.reader import from_base64
from sorobanflow.decode.scval import read_scval
from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.tables import events


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
