"""Check addresses (SEP-23): prefix, length and checksum; cached, because addresses repeat."""

from functools import lru_cache

from sorobanflow.decode.reader import Json
from sorobanflow.decode.strkeys import decode_hash, is_address
from sorobanflow.errors import DecodeError

_MAX_LENGTH = 69  # of a muxed account


def address(value: Json, kinds: str = "GMCBL") -> str:
    """Check an address of one of the kinds, named by their first letters."""
    if isinstance(value, str) and len(value) <= _MAX_LENGTH and _is_valid(value, kinds):
        return value
    raise DecodeError(f"not an address: {value!r:.80}; expected a StrKey of kind {kinds}")


@lru_cache(maxsize=16384)
def _is_valid(value: str, kinds: str) -> bool:
    if value[:1] not in tuple(kinds):
        return False
    return decode_hash(value) is not None if value[0] in "GCL" else is_address(value)
