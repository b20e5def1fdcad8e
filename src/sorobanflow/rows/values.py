"""Read and check single SEP-51 values, so that the database accepts them; else a DecodeError."""

import re
from collections.abc import Callable
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


# Used like a function; a generator would take four times as long.
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
        if isinstance(error, _WRONG_FORM):
            reason = f"{type(error).__name__}: {error}"[:160]
            raise DecodeError(f"{self._what} does not have its SEP-51 form ({reason})") from error


def arm(value: Json) -> tuple[str, Json]:
    """Split a union into its arm and its content, None for an arm without one."""
    if type(value) is str:
        return value, None
    if type(value) is dict and len(value) == 1:
        [content] = value.items()
        return content
    raise DecodeError(f"not a SEP-51 union: {_short(value)}; expected a name or a one-key object")


def content(value: Json, arm_name: str) -> Json:
    """Return the content of a union if it has this arm, else None."""
    return value.get(arm_name) if isinstance(value, dict) else None


def symbol_map(value: Json) -> dict[str, Json] | None:
    """Return an SCVal map by its symbols; None if the value is no map."""
    entries = content(value, "map")
    if entries is None:
        return None
    return {content(entry["key"], "symbol"): entry["val"] for entry in entries}


def name(value: Json) -> str:
    """Check a name of the protocol, such as an operation type or a result code."""
    if isinstance(value, str) and _is_name(value):
        return value
    raise DecodeError(f"not a name: {_short(value)}; expected lower-case letters, digits, '_'")


# A closure takes 0.15 µs for a u32 and 0.58 for an i64, a partial 0.37 and 0.87.
def _integer(kind: str, low: int, high: int) -> Callable[[Json], int]:
    def read(value: Json) -> int:
        if type(value) is str and _is_integer(value):
            value = int(value)
        if type(value) is int and low <= value <= high:  # a bool is none
            return value
        raise DecodeError(f"not a {kind}: {_short(value)}; expected an integer of {low} to {high}")

    return read


#: Integers of these types: numbers, or strings for those of 64 and more bits.
u32 = _integer("u32", 0, 2**32 - 1)
i64 = _integer("i64", -(2**63), 2**63 - 1)
u64 = _integer("u64", 0, 2**64 - 1)
i128 = _integer("i128", -(2**127), 2**127 - 1)


def hash_hex(value: Json) -> str:
    """Check a 32-byte hash in lower-case hex."""
    if isinstance(value, str) and _is_hash(value):
        return value
    raise DecodeError(f"not a hash: {_short(value)}; expected 64 lower-case hex digits")


def hash_bytes(value: Json) -> bytes:
    """Read a 32-byte hash that is in lower-case hex."""
    return bytes.fromhex(hash_hex(value))


def text(value: Json) -> str:
    """Check that PostgreSQL can store a text: no NUL, no lone surrogates."""
    if isinstance(value, str) and "\0" not in value and _is_unicode(value):
        return value
    raise DecodeError(f"not a text that can be stored: {_short(value)}")


def json_text(value: Json) -> str:
    """Encode a value for a jsonb column, which cannot hold a NUL character."""
    try:
        encoded = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DecodeError(f"cannot be written as JSON ({type(error).__name__})") from error
    if "\\u0000" in encoded and _ESCAPED_NUL.search(encoded):
        raise DecodeError("contains a NUL character, which jsonb cannot hold")
    return encoded


@lru_cache(maxsize=256)  # the events of a ledger all have the same
def rfc3339(value: str) -> datetime:
    """Read an RFC 3339 time; the result is in UTC."""
    if not _RFC3339.fullmatch(value):
        raise DecodeError(f"not an RFC 3339 time: {_short(value)}; expected YYYY-MM-DDTHH:MM:SSZ")
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
