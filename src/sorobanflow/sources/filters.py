"""Filters of getEvents, checked against the node's own rules before the first call.

One filter per request: nodes before v27.1.1 miss events when filters with and without
contracts are mixed (stellar-rpc #832).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.topics import SCVAL, decode_address, encode_segment

MAX_CONTRACTS = 5
MAX_TOPICS = 5
MAX_SEGMENTS = 4

_CONTRACT_ID = re.compile(r"C[A-Z2-7]{55}", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events of any of the contracts and with any of the topics; empty: all.

    A topic has 1 to 4 segments: base64 ScVal, or "*" for exactly one. A last "**" stands
    for any number of segments; without it, the number of segments has to be the same.

    Raises:
        ConfigurationError: the node would refuse it.
    """

    contract_ids: tuple[str, ...] = ()
    topics: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.contract_ids) > MAX_CONTRACTS or len(self.topics) > MAX_TOPICS:
            raise ConfigurationError(
                f"the filter has {len(self.contract_ids)} contracts and {len(self.topics)} topics; "
                f"the node accepts up to {MAX_CONTRACTS} and {MAX_TOPICS}"
            )
        for contract_id in self.contract_ids:
            _check_contract_id(contract_id)
        for topic in self.topics:
            _check_topic(topic)

    @classmethod
    def of(
        cls,
        contract_ids: Sequence[str] | None,
        topics: Sequence[Sequence[str]] | None,
        events: Sequence[str] | None = None,
    ) -> "EventFilter | None":
        """Make a filter of what people write, with its alternatives in order; None: every event.

        Args:
            contract_ids: C….
            topics: Their segments may also be symbols and addresses.
            events: Symbols or other segments; each stands for the topic that begins with it.

        Raises:
            ConfigurationError: a segment has another form, or the node would refuse the filter.
        """
        if not contract_ids and not topics and not events:
            return None
        written = [*(topics or ()), *([name, "**"] for name in events or ())]
        encoded = {tuple(map(encode_segment, topic)) for topic in written}
        return cls(tuple(sorted(set(contract_ids or ()))), tuple(sorted(encoded)))

    @classmethod
    def of_json(cls, text: str) -> "EventFilter":
        """Read what `canonical_json` wrote; ConfigurationError for any other form."""
        try:
            stored = msgspec.json.decode(text, type=_Wire)
        except msgspec.MsgspecError as error:
            raise ConfigurationError(
                f"not a filter of getEvents: {text[:60]!r} ({error})"
            ) from error
        return cls(stored.contract_ids, stored.topics)

    @property
    def canonical_json(self) -> str:
        """The filter as text; the same text for the same alternatives."""
        return msgspec.json.encode(self.wire(), order="sorted").decode()

    def wire(self) -> dict[str, Any]:
        """Give the filter as getEvents takes it."""
        fields = {"contractIds": self.contract_ids, "topics": self.topics}
        return {name: values for name, values in fields.items() if values}


class _Wire(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    contract_ids: tuple[str, ...] = ()
    topics: tuple[tuple[str, ...], ...] = ()


def _check_contract_id(contract_id: str) -> None:
    if not _CONTRACT_ID.fullmatch(contract_id):
        raise ConfigurationError(
            f"not a contract id: {contract_id[:60]!r}; expected C and 55 of A-Z and 2-7"
        )
    decode_address(contract_id)


def _check_topic(topic: tuple[str, ...]) -> None:
    segments = topic[:-1] if topic[-1:] == ("**",) else topic
    if not topic or len(segments) > MAX_SEGMENTS:
        raise ConfigurationError(
            f"a topic has {len(segments)} segments; the node accepts 1 to {MAX_SEGMENTS} and '**'"
        )
    for segment in segments:
        if segment != "*" and not SCVAL.fullmatch(segment):
            raise ConfigurationError(
                f"not a topic segment: {segment[:60]!r}; expected the base64 XDR of an ScVal, "
                "'*', or '**' at the end"
            )
