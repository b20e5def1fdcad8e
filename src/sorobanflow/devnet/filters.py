"""Read, check and apply the filters of getEvents.

Reading fails where the node's JSON decoding fails. Checking returns the node's
messages in the node's order. Filters are combined with OR. Within a filter type,
contracts and topics are combined with AND, topics with OR, segments with AND. A
topic without `**` at the end matches only events with exactly as many topics.
"""

from base64 import b64decode
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from stellar_sdk import StrKey

from sorobanflow.devnet import xdr_walk as walk
from sorobanflow.devnet.meta import CONTRACT, SYSTEM, ContractEvent
from sorobanflow.devnet.params import BadParams, Params, items, text
from sorobanflow.errors import DecodeError

MAX_FILTERS = 5
MAX_CONTRACTS = 5
MAX_TOPICS = 5
MAX_SEGMENTS = 4
ONE, REST = "*", "**"
TYPES = {"contract": CONTRACT, "system": SYSTEM}

Segment = bytes | str  # an SCVal, or one of the wildcards ONE and REST


class EventFilter(NamedTuple):
    """One filter of a request, as read, not checked yet."""

    types: tuple[str, ...]
    contract_ids: tuple[str, ...]
    topics: tuple[tuple[Segment, ...], ...]


class Matcher(NamedTuple):
    """One checked filter, ready for use."""

    types: frozenset[int]
    contracts: frozenset[bytes]
    topics: tuple[tuple[Segment, ...], ...]

    def matches(self, event: ContractEvent) -> bool:
        """Whether the filter lets the event pass."""
        return (
            event.type in self.types
            and (not self.contracts or event.contract in self.contracts)
            and (not self.topics or any(_topic_matches(t, event.topics) for t in self.topics))
        )


def read_filters(params: Params) -> tuple[EventFilter, ...]:
    """Read the member `filters` of a request.

    Raises:
        BadParams: the node could not decode it.
    """
    return tuple(_read_filter(each) for each in params.objects("filters"))


def check_filters(filters: Sequence[EventFilter]) -> str | None:
    """Return the node's first complaint, or None if there is none."""
    if len(filters) > MAX_FILTERS:
        return f"maximum {MAX_FILTERS} filters per request"
    for number, each in enumerate(filters, start=1):
        complaint = _check_filter(each)
        if complaint:
            return f"filter {number} invalid: {complaint}"
    return None


def make_matchers(filters: Sequence[EventFilter]) -> tuple[Matcher, ...]:
    """Prepare checked filters for use; without filters, one that lets every event pass."""
    return tuple(
        Matcher(
            frozenset(TYPES[name] for name in each.types or TYPES),
            frozenset(StrKey.decode_contract(contract) for contract in each.contract_ids),
            each.topics,
        )
        for each in filters or (EventFilter((), (), ()),)
    )


def _read_filter(params: Params) -> EventFilter:
    types = params.text("type")
    topics = (items(topic) for topic in params.array("topics"))
    return EventFilter(
        tuple(types.split(",")) if types else (),
        tuple(text(contract) for contract in params.array("contractIds")),
        tuple(tuple(_read_segment(segment) for segment in topic) for topic in topics),
    )


def _read_segment(value: object) -> Segment:
    segment = text(value)
    if segment in (ONE, REST):
        return segment
    if not segment:
        raise BadParams("cannot unmarshal empty string")
    try:
        xdr = b64decode(segment, validate=True)
        whole = walk.SC_VAL(xdr, 0) == len(xdr)
    except (ValueError, DecodeError, walk.OutOfData) as error:
        raise BadParams(f"xdr: cannot decode ScVal {segment!r}: {error}") from error
    if not whole:
        raise BadParams(f"xdr: input of ScVal {segment!r} not fully consumed")
    return xdr


def _check_filter(each: EventFilter) -> str | None:
    if any(name not in TYPES for name in each.types):
        return "filter type invalid: if set, type must be either 'system' or 'contract'"
    if len(each.contract_ids) > MAX_CONTRACTS:
        return f"maximum {MAX_CONTRACTS} contract IDs per filter"
    if len(each.topics) > MAX_TOPICS:
        return f"maximum {MAX_TOPICS} topics per filter"
    for number, contract in enumerate(each.contract_ids, start=1):
        if not StrKey.is_valid_contract(contract):
            return f"contract ID {number} invalid"
    for number, topic in enumerate(each.topics, start=1):
        complaint = _check_topic(topic)
        if complaint:
            return f"topic {number} invalid: {complaint}"
    return None


def _check_topic(topic: tuple[Segment, ...]) -> str | None:
    if not topic:
        return "topic must have at least 1 segment"
    for number, (segment, _) in enumerate(pairwise(topic), start=1):
        if segment == REST:
            return f"segment {number} invalid: wildcard '**' is only allowed as the last segment"
    if len(topic) - (topic[-1] == REST) > MAX_SEGMENTS:
        return f"topic cannot have more than {MAX_SEGMENTS} segments"
    return None


def _topic_matches(wanted: tuple[Segment, ...], topics: tuple[bytes, ...]) -> bool:
    if wanted[-1] == REST:
        wanted = wanted[:-1]
        topics = topics[: len(wanted)]
    return len(topics) == len(wanted) and all(
        segment in (ONE, topic) for segment, topic in zip(wanted, topics, strict=True)
    )
