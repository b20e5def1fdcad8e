"""Search whole ledgers for the events that a filter selects, before and after they are decoded.

Every event that a filter selects holds its contract's 32 bytes, and all concrete segments of one
topic. Invariant: bytes of which `may_hold` says no hold no event of which `selects` says yes.
Source: getEvents of stellar-rpc.
"""

from base64 import b64decode
from collections.abc import Sequence
from typing import NamedTuple

from sorobanflow.decode.contract_events import ContractEvent
from sorobanflow.decode.reader import base64_reader
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.decode.strkeys import decode_hash
from sorobanflow.errors import ConfigurationError, DecodeError
from sorobanflow.sources.filters import EventFilter


class EventSearch:
    """A filter, ready to be searched for.

    Raises:
        ConfigurationError: a segment of a topic is no ScVal.
    """

    def __init__(self, event_filter: EventFilter) -> None:
        self._contracts = frozenset(map(_contract, event_filter.contract_ids))
        self._topics = [*map(_topic, event_filter.topics)]

    def may_hold(self, data: bytes) -> bool:
        """Whether XDR may hold an event of the filter; 4 GB/s where it does not."""
        contracts, topics = self._contracts, self._topics
        return (not contracts or any(contract in data for contract in contracts)) and (
            not topics or any(topic.may_be_in(data) for topic in topics)
        )

    def selects(self, event: ContractEvent) -> bool:
        """Whether an event is one of the filter, as a node decides it."""
        contracts, topics = self._contracts, self._topics
        return (not contracts or event.contract in contracts) and (
            not topics or any(topic.matches(event.topics) for topic in topics)
        )


class _Topic(NamedTuple):
    """One topic of a filter."""

    segments: list[bytes | None]  # ScVals as XDR; None: any
    is_open: bool  # whether any number of segments may follow

    def may_be_in(self, data: bytes) -> bool:
        return all(segment in data for segment in self.segments if segment is not None)

    def matches(self, topics: Sequence[bytes]) -> bool:
        if self.is_open:
            topics = topics[: len(self.segments)]
        return len(topics) == len(self.segments) and all(
            wanted is None or wanted == topic
            for wanted, topic in zip(self.segments, topics, strict=True)
        )


_check_segment = base64_reader("ScVal", SC_VAL.read)


def _topic(topic: tuple[str, ...]) -> _Topic:
    is_open = topic[-1] == "**"
    return _Topic([*map(_segment, topic[:-1] if is_open else topic)], is_open)


def _segment(text: str) -> bytes | None:
    if text == "*":
        return None
    try:
        _check_segment(text)
    except DecodeError as error:
        raise ConfigurationError(
            f"not a topic segment: {text[:60]!r}; expected the base64 XDR of an ScVal ({error})"
        ) from error
    return b64decode(text)


def _contract(contract_id: str) -> bytes:
    contract = decode_hash(contract_id)
    assert contract is not None, contract_id  # the filter has checked it
    return contract
