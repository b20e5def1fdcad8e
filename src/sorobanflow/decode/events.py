"""Decode the topics and the value of an event, between `sources` and `rows`, from their XDR only.

Invariant: what is remembered is bounded, also in bytes.
"""

from collections.abc import Iterable
from functools import lru_cache

from sorobanflow.decode.reader import whole
from sorobanflow.decode.scval import SC_VAL

#: Longest SCVal that is remembered, in bytes; longer ones are rare and would occupy memory.
MAX_REMEMBERED = 192

_read_json = whole("SCVal", SC_VAL.text)
# Names, assets, addresses and amounts repeat: of the 2013 topics of a pubnet ledger 535 are
# distinct, of its 610 short values 162.
_remembered_json = lru_cache(maxsize=8192)(_read_json)


def scval_json(xdr: bytes) -> str:
    """Read an SCVal as the JSON of its SEP-51 form; DecodeError if it is none."""
    return _remembered_json(xdr) if len(xdr) <= MAX_REMEMBERED else _read_json(xdr)


def topics_json(topics: Iterable[bytes]) -> str:
    """Read the topics of an event as a JSON array; DecodeError if one is no SCVal."""
    return f"[{','.join(map(scval_json, topics))}]"
