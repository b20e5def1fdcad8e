"""How the parts of a whole ledger's transactions are read: all that they state, or only events.

Invariant: what is not read is skipped by whoever walks the ledger, so every byte is walked.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelopes import Envelope, read_envelope
from sorobanflow.decode.meta_events import MetaEvents
from sorobanflow.decode.metas import read_events_alone, read_meta_and_events
from sorobanflow.decode.reader import T
from sorobanflow.decode.results import Result, read_result

#: Reads a value; if it gives None, the value has to be skipped.
_Maybe: TypeAlias = Callable[[bytes, int], tuple[T | None, int]]


class Readers(NamedTuple):
    """The readers of a transaction's parts."""

    envelope: _Maybe[Envelope]
    result: _Maybe[Result]
    meta: Callable[[bytes, int], tuple[tuple[Meta | None, MetaEvents], int]]


def _not(_: bytes, at: int) -> tuple[None, int]:
    return None, at


ALL = Readers(read_envelope, read_result, read_meta_and_events)
EVENTS = Readers(_not, _not, read_events_alone)
