"""Decode the topics and the value of an event.

Follows `rpc`, precedes `rows`. Pure; the result depends on the event's XDR
only. The other fields of the event are checked in `rows.events`.
"""

from functools import lru_cache
from typing import NamedTuple

from stellar_sdk.xdr import SCVal

from sorobanflow.decode.xdr import Json, to_json, unpack
from sorobanflow.rpc.wire import Event

_CACHED_LENGTH = 256


class DecodedEvent(NamedTuple):
    """Topics in order and the value, as SEP-51 values; shared, so never changed."""

    topics: list[Json]
    value: Json


def decode_event(event: Event) -> DecodedEvent:
    """Decode an event.

    Raises:
        DecodeError: a topic or the value is not the base64 XDR of an SCVal.
    """
    return DecodedEvent([_topic(topic) for topic in event.topic or ()], _scval(event.value))


def _scval(text: str) -> Json:
    return to_json(unpack(SCVal, text))


# Names, assets and addresses repeat: of the 1491 topics of a pubnet ledger 351
# are distinct, and a topic costs 17 µs. Long ones are rare and would hold memory.
_cached_scval = lru_cache(maxsize=8192)(_scval)


def _topic(text: str) -> Json:
    return _cached_scval(text) if len(text) <= _CACHED_LENGTH else _scval(text)
