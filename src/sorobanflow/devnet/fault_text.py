"""Parse schedules of faults; the grammar is in `faults`."""

import re
from typing import NamedTuple

from sorobanflow.devnet.faults import OF_FILE, OF_ONE_CALL, OF_REPLY, RANDOM, Fault
from sorobanflow.errors import ConfigurationError

_ENTRY = re.compile(
    r"(?P<method>\w+|\*):(?P<calls>\*|\d+(?:-\d*)?)=(?P<fault>[^/]+)(?:/(?P<argument>.+))?"
)
_NO_WORDS = {"status", "rpc_error"}  # written as their codes
_NEED_NUMBER = {"slow", "pad", "bound", "behind", "trimmed", "page", "stray", "partial", RANDOM}
_MAY_TAKE_NUMBER = {"html", "status", "tampered"}
_NEED_TEXT = {"missing", "mistyped", "cursor"}
_WORDS = (OF_REPLY | OF_ONE_CALL | OF_FILE | {RANDOM}) - _NO_WORDS
_LAST_CALL = 2**31


class _Argument(NamedTuple):
    amount: float | None = None
    text: str = ""


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Parse the text form of a schedule.

    Raises:
        ConfigurationError: an entry has another form.
    """
    return tuple(_parse_fault(entry.strip()) for entry in text.split(",") if entry.strip())


def _parse_fault(entry: str) -> Fault:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise _bad(entry, "expected METHOD:CALLS=FAULT, such as getEvents:3=503")
    kind, code = _kind_and_code(entry, match["fault"])
    amount, text = _argument(entry, kind, match["argument"])
    if kind == "html":
        code, amount = int(amount or 502), None
    return Fault(match["method"], kind, _calls(entry, match["calls"]), code, amount, text)


def _kind_and_code(entry: str, name: str) -> tuple[str, int]:
    if name in _WORDS:
        return name, 0
    if re.fullmatch(r"-32\d{3}", name):
        return "rpc_error", int(name)
    if re.fullmatch(r"[45]\d\d", name):
        return "status", int(name)
    known = ", ".join(sorted(_WORDS))
    raise _bad(
        entry, f"unknown fault {name!r}; use an HTTP status, a -32xxx code or one of {known}"
    )


def _argument(entry: str, kind: str, text: str | None) -> _Argument:
    if kind in _NEED_TEXT:
        if text is None:
            raise _bad(entry, f"{kind} needs a text, such as {kind}/ledger")
        return _Argument(text=text)
    if text is None:
        if kind in _NEED_NUMBER:
            raise _bad(entry, f"{kind} needs a number, such as {kind}/2")
        return _Argument()
    if kind not in _NEED_NUMBER | _MAY_TAKE_NUMBER:
        raise _bad(entry, f"{kind} takes no number")
    try:
        return _Argument(float(text))
    except ValueError:
        raise _bad(entry, f"{text!r} is not a number") from None


def _calls(entry: str, text: str) -> range | None:
    if text == "*":
        return None
    first, dash, last = text.partition("-")
    end = int(last) if last else _LAST_CALL if dash else int(first)
    calls = range(int(first), end + 1)
    if not calls or calls.start < 1:
        raise _bad(entry, f"no call is in {text!r}; the first call is 1")
    return calls


def _bad(entry: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"bad fault {entry!r}: {why}")
