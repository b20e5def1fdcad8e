"""The faults of a call, by method and number of the call.

A schedule is a list of plain records. Calls are counted per method from 1. A
batch also counts as a call of `batch`, and `*` counts the calls of all methods
together. Of a data lake, requests of the `manifest` and of an `object` are
counted. A call gets every fault that matches it, in the order of the schedule.
The same schedule and the same calls give the same faults.

Text form, separated by commas: `METHOD:CALLS=FAULT`, with CALLS `3`, `3-5`,
`3-` (from the third on) or `*`, and FAULT one of

    429, 503, ...     HTTP status; `429/2` adds Retry-After: 2
    html, html/503    a gateway's page instead of JSON (502 by default)
    truncate          half of the body, then the connection closes
    drop              the connection closes without an answer
    slow/2.5          the answer comes 2.5 s late
    pad/64            64 MiB of spaces after the answer
    bound/300000      a page or batch ends after items of 300000 bytes, but has at least one;
                      a page with the cursor of its last item
    -32001, ...       JSON-RPC error
    behind/3          the node is three ledgers behind
    trimmed/3         the node has dropped its three oldest ledgers
    missing/FIELD     the result, or the middle item of its page, lacks the field
    mistyped/FIELD    the field has another JSON type, in the same place
    random/7          one call in four gets a temporary fault, drawn with seed 7

for `getEvents`, `getTransactions` and `getLedgers` only

    page/2            the page holds up to two items, whatever limit was requested
    repeat            the page starts at the start of its cursor's ledger
    cursor/0          the page ends with the cursor "0"
    stuck             an empty page that ends with the cursor of the request

for `getTransaction` and `getTransactions` only

    other_envelope    a transaction, or the middle one of the page, with another's XDR

for `getLedgers` and objects of a lake only

    tampered/500      the middle ledger of the page, or the first of the object, differs in
                      one bit of byte 500 of header and transaction set
    other_ledgers     the middle ledger of the page has the XDR of another; the object is
                      that of other ledgers

for one method only

    stray/5           getEvents: starts with an event five ledgers later; also stray/-5
    not_found         getTransaction does not find the transaction
    other_transaction getTransaction returns another transaction than the requested one
    hole              getLedgers: the page lacks its middle ledger
    network           getNetwork or the manifest names another network
    other_layout      manifest: twice as many ledgers in an object
    cut               object: the first half of the object, as a whole body
    refuse_batches    batch: one error instead of an array of answers
    shuffle           batch: the answers come in reverse order
    partial/3         batch: only the first three answers come
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from threading import Lock
from typing import NamedTuple

from sorobanflow.errors import ConfigurationError

BATCH, ANY = "batch", "*"

MANIFEST, OBJECT = "manifest", "object"  # the files of a lake

PAGES = frozenset({"getEvents", "getTransactions", "getLedgers"})

#: Faults of the whole HTTP reply (`reply_faults`), and of one call (`call_faults`).
OF_REPLY = frozenset(
    {"status", "html", "truncate", "drop", "slow", "pad", "bound"}
    | {"refuse_batches", "shuffle", "partial"}
)
OF_ONE_CALL = frozenset(
    {"rpc_error", "behind", "trimmed", "missing", "mistyped", "page", "repeat", "cursor", "stuck"}
    | {"stray", "not_found", "other_transaction", "other_envelope", "network"}
    | {"hole", "tampered", "other_ledgers"}
)
#: Faults of a file of a lake beside those of its reply (`lake_faults`).
OF_FILE = frozenset({"cut", "tampered", "other_ledgers", "other_layout", "network"})
RANDOM = "random"

_ONLY_FOR: Mapping[str, frozenset[str]] = {
    "page": PAGES,
    "repeat": PAGES,
    "cursor": PAGES,
    "stuck": PAGES,
    "stray": frozenset({"getEvents"}),
    "not_found": frozenset({"getTransaction"}),
    "other_transaction": frozenset({"getTransaction"}),
    "other_envelope": frozenset({"getTransaction", "getTransactions"}),
    "hole": frozenset({"getLedgers"}),
    "tampered": frozenset({"getLedgers", OBJECT}),
    "other_ledgers": frozenset({"getLedgers", OBJECT}),
    "cut": frozenset({OBJECT}),
    "other_layout": frozenset({MANIFEST}),
    "network": frozenset({"getNetwork", MANIFEST}),
    "refuse_batches": frozenset({BATCH}),
    "shuffle": frozenset({BATCH}),
    "partial": frozenset({BATCH}),
}
_FAULTY_SHARE = 0.25  # of the calls that `random` matches


class Fault(NamedTuple):
    """One fault; `calls` None means every call.

    `code` is the HTTP status of `status` and `html`, or the JSON-RPC error of
    `rpc_error`. `amount` is the number after the slash: seconds for `slow` and for
    the Retry-After of `status`, MiB, ledgers, items, or a seed. `text` is the field
    or the cursor.
    """

    method: str
    kind: str
    calls: range | None = None
    code: int = 0
    amount: float | None = None
    text: str = ""

    @property
    def changes_reply(self) -> bool:
        """Whether it changes the whole HTTP reply, not one call."""
        return self.kind in OF_REPLY

    @property
    def number(self) -> int:
        """The amount as a whole number."""
        return int(self.amount or 0)


class FaultSchedule:
    """Counts calls and returns the faults of each one; thread-safe.

    Args:
        faults: A call gets all that match it, in this order.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._calls: Counter[str] = Counter()
        self._total = 0
        self._lock = Lock()

    @property
    def calls(self) -> dict[str, int]:
        """Number of calls so far, by method; `batch` counts the batches."""
        with self._lock:
            return dict(self._calls)

    def next_call(self, method: str) -> tuple[Fault, ...]:
        """Count a call, and return its faults."""
        with self._lock:
            self._calls[method] += 1
            self._total += method != BATCH
            numbers = {method: self._calls[method]}
            if method != BATCH:
                numbers[ANY] = self._total
        return tuple(self._matching(method, numbers))

    def _matching(self, method: str, numbers: Mapping[str, int]) -> Iterator[Fault]:
        for fault in self._faults:
            number = numbers.get(fault.method)
            if number is None or (fault.calls is not None and number not in fault.calls):
                continue
            if fault.kind == RANDOM:
                yield from _drawn(fault, method, number)
            else:
                yield fault


def _drawn(fault: Fault, method: str, number: int) -> Iterator[Fault]:
    random = Random(f"{fault.number} {method} {number}")  # noqa: S311 - must be the same every time
    kinds = _TEMPORARY_OF_BATCH if method == BATCH else _TEMPORARY
    if method in (MANIFEST, OBJECT):
        kinds = tuple(kind for kind in kinds if kind.changes_reply)
    if method == "getTransaction":
        kinds = (*kinds, Fault(ANY, "not_found"))
    if random.random() < _FAULTY_SHARE:
        yield random.choice(kinds)


_TEMPORARY = (
    *(Fault(ANY, "status", code=code) for code in (429, 500, 502, 503, 504)),
    Fault(ANY, "status", code=429, amount=0),
    *(Fault(ANY, "rpc_error", code=code) for code in (-32001, -32003, -32098, -32603)),
    Fault(ANY, "html", code=502),
    *(Fault(ANY, kind) for kind in ("truncate", "drop")),
    Fault(ANY, "slow", amount=0.1),
    Fault(ANY, "behind", amount=2),
)
_TEMPORARY_OF_BATCH = (
    Fault(BATCH, "refuse_batches"),
    Fault(BATCH, "shuffle"),
    Fault(BATCH, "partial", amount=1),
)


def check_fault(fault: Fault, methods: Iterable[str], kinds: Iterable[str] = OF_ONE_CALL) -> None:
    """Check that some call can get the fault.

    Args:
        fault: The fault.
        methods: The methods that are counted, beside `*`.
        kinds: The faults of one call, beside those of the reply.

    Raises:
        ConfigurationError: the method or kind is unknown, or the method cannot have it.
    """
    methods, kinds = {*methods, ANY}, {*OF_REPLY, *kinds, RANDOM}
    if fault.method not in methods:
        known = ", ".join(sorted(methods))
        raise ConfigurationError(f"unknown method {fault.method!r} of a fault; valid are {known}")
    if fault.kind not in kinds:
        known = ", ".join(sorted(kinds))
        raise ConfigurationError(f"unknown fault {fault.kind!r}; valid are {known}")
    misplaced = fault.method not in _ONLY_FOR.get(fault.kind, {fault.method})
    if misplaced or (fault.method == BATCH and fault.kind in OF_ONE_CALL):
        raise ConfigurationError(f"calls of {fault.method} cannot have the fault {fault.kind!r}")
