"""Read single SEP-51 values, checked.

Everything that enters a row passes through here or through `addresses`: a
number has its bounds, a text can be stored, a union is a known form. Invariant:
what these functions return is accepted by the column it is meant for; what they
refuse is a `DecodeError`.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType

import msgspec

from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError

_is_integer = re.compile(r"-?[0-9]{1,39}", re.ASCII).fullmatch
_is_hash = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch
_is_name = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII).fullmatch
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_WRONG_FORM = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


# Used as a function; a generator would cost four times as much.
class reading:
    """Turn a missing key or a wrong type inside the block into a DecodeError."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the block."""
        if isinstance(error, _WRONG_FORM):
            reason = f"{type(error).__name__}: {error}"[:160]
            raise DecodeError(f"{self._what} does not have its SEP-51 form ({reason})") from error


def arm(value: Json) -> tuple[str, Json]:
    """Take a union apart: its arm, and its content (None for an arm without one)."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and len(value) == 1:
        [content] = value.items()
        return content
    raise DecodeError(f"not a SEP-51 union: {_short(value)}; wanted a name or a one-key object")


def name(value: Json) -> str:
    """Check a name of the protocol, such as an operation type or a result code."""
    if isinstance(value, str) and _is_name(value):
        return value
    raise DecodeError(f"not a name: {_short(value)}; wanted lower-case letters, digits, '_'")


def _integer(value: Json, kind: str, low: int, high: int) -> int:
    if isinstance(value, str) and _is_integer(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise DecodeError(f"not a {kind}: {_short(value)}; wanted an integer of {low} to {high}")


def u32(value: Json) -> int:
    """Read an unsigned 32-bit integer."""
    return _integer(value, "u32", 0, 2**32 - 1)


def i64(value: Json) -> int:
    """Read a signed 64-bit integer, a string or a number."""
    return _integer(value, "i64", -(2**63), 2**63 - 1)


def u64(value: Json) -> int:
    """Read an unsigned 64-bit integer, a string or a number."""
    return _integer(value, "u64", 0, 2**64 - 1)


def i128(value: Json) -> int:
    """Read a signed 128-bit integer, a string or a number."""
    return _integer(value, "i128", -(2**127), 2**127 - 1)


def hash_hex(value: Json) -> str:
    """Check a 32-byte hash in lower-case hex."""
    if isinstance(value, str) and _is_hash(value):
        return value
    raise DecodeError(f"not a hash: {_short(value)}; wanted 64 lower-case hex digits")


def text(value: Json) -> str:
    """Check a text for what a PostgreSQL text cannot hold: NUL and lone surrogates."""
    if isinstance(value, str) and "\0" not in value and _is_unicode(value):
        return value
    raise DecodeError(f"not a text that can be stored: {_short(value)}")


def json_text(value: Json) -> str:
    """Write a value for a jsonb column, which takes no NUL character."""
    try:
        encoded = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DecodeError(f"cannot be written as JSON ({type(error).__name__})") from error
    if "\\u0000" in encoded and _ESCAPED_NUL.search(encoded):
        raise DecodeError("holds a NUL character, which jsonb does not take")
    return encoded


@lru_cache(maxsize=256)  # the events of a ledger all name the same
def rfc3339(value: str) -> datetime:
    """Read an RFC 3339 time; the result is in UTC."""
    if not _RFC3339.fullmatch(value):
        raise DecodeError(f"not an RFC 3339 time: {_short(value)}; wanted YYYY-MM-DDTHH:MM:SSZ")
    with reading("time"):
        return datetime.fromisoformat(value.upper()).astimezone(UTC)


def unix_time(value: int) -> datetime:
    """Read Unix seconds; the result is in UTC."""
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise DecodeError(f"not a Unix time: {value}") from error


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: object) -> str:
    return f"{value!r:.80}"
