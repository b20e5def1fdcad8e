"""Faults that a call meets, by method and number of the call.

A schedule is a list of plain records; calls are counted per method from 1, and
a batch also counts as a call of `batch`. A fault either spoils the whole reply
(`spoil`) or is suffered by the one call, which `node` does. A new kind is an
entry in SPOILERS, or in _OF_ONE_CALL and in `node`.

Text form, separated by commas: `METHOD:CALLS=FAULT`, with CALLS `3`, `3-5` or
`*`, and FAULT one of

    429, 503, ...     HTTP status; `429/2` adds Retry-After: 2
    html, html/503    a gateway's page instead of JSON (502 by default)
    truncate          half of the body, then the connection closes
    drop              the connection closes without an answer
    slow/2.5          the answer comes 2.5 s late
    -32001, ...       JSON-RPC error
    not_found         getTransaction does not find the transaction
    behind/3          the node is three ledgers behind
    refuse_batches    of `batch`: one error instead of an array of answers
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import NamedTuple

from sorobanflow.devnet.reply import Reply
from sorobanflow.errors import ConfigurationError

BATCH = "batch"
HTML = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
BATCHES_REFUSED = (
    b'{"jsonrpc":"2.0","id":null,'
    b'"error":{"code":-32600,"message":"batch requests are not supported"}}'
)


class Fault(NamedTuple):
    """One fault; `calls` None means every call.

    `code` is the HTTP status of `status` and `html`, and the JSON-RPC error of
    `rpc_error`; `amount` the seconds of `slow` and of the Retry-After of
    `status`, and the ledgers of `behind`.
    """

    method: str
    kind: str
    calls: range | None = None
    code: int = 0
    amount: float | None = None

    @property
    def spoils_reply(self) -> bool:
        """Whether it hits the whole HTTP reply, not the one call."""
        return self.kind in SPOILERS

    def spoil(self, reply: Reply) -> Reply:
        """Give the reply as it is after the fault."""
        return SPOILERS[self.kind](self, reply)


def _status(fault: Fault, _: Reply) -> Reply:
    headers = () if fault.amount is None else (("Retry-After", f"{fault.amount:g}"),)
    return Reply(fault.code, b"upstream says no", "text/plain", headers)


def _truncate(_: Fault, reply: Reply) -> Reply:
    return reply._replace(send_bytes=len(reply.body) // 2)


SPOILERS: Mapping[str, Callable[[Fault, Reply], Reply]] = {
    "status": _status,
    "html": lambda fault, _: Reply(fault.code, HTML, "text/html"),
    "truncate": _truncate,
    "drop": lambda _, reply: reply._replace(dropped=True),
    "slow": lambda fault, reply: reply._replace(delay_s=fault.amount or 0.0),
    "refuse_batches": lambda _, reply: reply._replace(body=BATCHES_REFUSED),
}


class FaultSchedule:
    """Counts calls and says which fault each one meets; thread-safe.

    Args:
        faults: The first that fits a call is met.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._calls: Counter[str] = Counter()
        self._lock = Lock()

    @property
    def calls(self) -> dict[str, int]:
        """Calls so far by method; `batch` counts the batches."""
        with self._lock:
            return dict(self._calls)

    def meet(self, method: str) -> Fault | None:
        """Count a call, and give the fault that it meets."""
        with self._lock:
            self._calls[method] += 1
            number = self._calls[method]
        for fault in self._faults:
            if fault.method == method and (fault.calls is None or number in fault.calls):
                return fault
        return None


_ONLY_FOR = {"not_found": "getTransaction", "refuse_batches": BATCH}
_OF_ONE_CALL = {"rpc_error", "not_found", "behind"}


def check_fault(fault: Fault, methods: Iterable[str]) -> None:
    """Check that the fault can be met.

    Raises:
        ConfigurationError: no such method or kind, or they do not go together.
    """
    if fault.method not in {*methods, BATCH}:
        known = ", ".join(sorted({*methods, BATCH}))
        raise ConfigurationError(f"no method {fault.method!r} for a fault; wanted one of {known}")
    if fault.kind not in {*SPOILERS, *_OF_ONE_CALL}:
        known = ", ".join(sorted({*SPOILERS, *_OF_ONE_CALL}))
        raise ConfigurationError(f"no kind of fault {fault.kind!r}; wanted one of {known}")
    misplaced = _ONLY_FOR.get(fault.kind, fault.method) != fault.method
    if misplaced or (fault.method == BATCH and not fault.spoils_reply):
        raise ConfigurationError(f"the fault {fault.kind!r} is not one of {fault.method}")


_ENTRY = re.compile(r"(?P<method>\w+):(?P<calls>\*|\d+(?:-\d+)?)=(?P<fault>[^/]+)(?:/(?P<arg>.+))?")
_WORDS = {"html", "truncate", "drop", "slow", "not_found", "behind", "refuse_batches"}
_NEED_AMOUNT = {"slow", "behind"}
_TAKE_ARGUMENT = {"slow", "behind", "html", "status"}


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read the text form of a schedule.

    Raises:
        ConfigurationError: an entry that is not of the form above.
    """
    return tuple(_parse_fault(entry.strip()) for entry in text.split(",") if entry.strip())


def _parse_fault(entry: str) -> Fault:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise _bad(entry, "wanted METHOD:CALLS=FAULT, such as getEvents:3=503")
    kind, code = _kind_and_code(entry, match["fault"])
    argument = _argument(entry, kind, match["arg"])
    if kind == "html":
        code, argument = int(argument or 502), None
    return Fault(match["method"], kind, _calls(entry, match["calls"]), code, argument)


def _kind_and_code(entry: str, name: str) -> tuple[str, int]:
    if name in _WORDS:
        return name, 0
    if re.fullmatch(r"-32\d{3}", name):
        return "rpc_error", int(name)
    if re.fullmatch(r"[45]\d\d", name):
        return "status", int(name)
    known = ", ".join(sorted(_WORDS))
    raise _bad(entry, f"no fault {name!r}; wanted an HTTP status, a -32xxx code or one of {known}")


def _argument(entry: str, kind: str, text: str | None) -> float | None:
    if text is None:
        if kind in _NEED_AMOUNT:
            raise _bad(entry, f"{kind} needs a number, such as {kind}/2")
        return None
    if kind not in _TAKE_ARGUMENT:
        raise _bad(entry, f"{kind} takes no number")
    try:
        return float(text)
    except ValueError:
        raise _bad(entry, f"{text!r} is not a number") from None


def _calls(entry: str, text: str) -> range | None:
    if text == "*":
        return None
    first, _, last = text.partition("-")
    calls = range(int(first), int(last or first) + 1)
    if not calls or calls.start < 1:
        raise _bad(entry, f"calls {text!r} are none; the first call is 1")
    return calls


def _bad(entry: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"bad fault {entry!r}: {why}")
