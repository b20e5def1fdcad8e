"""The errors of sorobanflow, grouped by what the caller can do about them.

    SorobanflowError
    ├── RetriableError              wait, then the same call can succeed
    │   ├── EndpointError           one call failed; the client itself tries it again
    │   │   ├── RpcUnavailableError     no connection, a cut answer, HTTP 5xx, -32098; like
    │   │   │   │                       the next one, it counts for the breaker
    │   │   │   ├── RpcTimeoutError     no answer in time, HTTP 408, 504, -32001
    │   │   │   └── UnknownHostError    the node's name has no address
    │   │   ├── RpcInternalError        the node's handler failed: -32003, -32603
    │   │   └── RateLimitedError        HTTP 429, or an error that states a rate limit
    │   ├── NodeBehindError         the ledger is above the node's newest
    │   ├── CircuitOpenError        the breaker stayed open until the deadline
    │   ├── StalledError            the run made no progress for too long
    │   ├── DatabaseUnavailableError    no connection, a lost one, a conflict of writers
    │   └── PrefectUnavailableError     Prefect's API does not answer
    ├── FatalError                  the same call fails again; somebody must act
    │   ├── ConfigurationError      a parameter or setting is wrong
    │   ├── RpcRequestError         the node refuses: -32600 to -32602, other HTTP 4xx
    │   ├── RpcProtocolError        200 with a body that is not what the method promises
    │   ├── AnswerTooLargeError     the answer exceeds the limit on its size
    │   ├── ClientStoppedError      the run is ending; no call is made any more
    │   ├── WrongNetworkError       the database holds another network
    │   ├── LedgerOutsideRetentionError   the ledger is below the node's oldest
    │   ├── LedgerMissingError      the data lake does not have the ledgers' object
    │   ├── LakeError               the data lake refuses, or is not what it says it is
    │   ├── ArchiveError            a file of the archive is not what it should be
    │   ├── LedgerProofError        a whole ledger is not what its hashes say
    │   ├── SchemaError             the database's schema is not this program's
    │   ├── DatabaseRefusesError    disk full, read only, a privilege is missing
    │   └── MassFailureError        too much of a batch cannot be decoded
    └── DataError                   this item is bad; the others are not affected
        ├── DecodeError             XDR or a value that no decoder takes
        └── WrongHashError          the envelope belongs to another transaction

Invariants: errors pickle, since Prefect moves them between processes; no message holds a secret.
"""

from dataclasses import dataclass, fields
from typing import ClassVar


class SorobanflowError(Exception):
    """Base of our errors: a subclass is a dataclass with a `template`, or takes the message."""

    template: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Make the fields the arguments, which pickle makes the copy of."""
        self.args = tuple(vars(self)[field.name] for field in fields(self))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.template.format_map(vars(self)) if self.template else super().__str__()


class RetriableError(SorobanflowError):
    """The same call can succeed later."""


@dataclass(eq=False)
class EndpointError(RetriableError):
    """A call failed, by no fault of the request; the endpoint may state when to try again."""

    message: str
    retry_after_s: float | None = None

    def __str__(self) -> str:
        wait = "" if self.retry_after_s is None else f"; retry after {self.retry_after_s:g} s"
        return f"{self.message}{wait}"


class RpcUnavailableError(EndpointError):
    """The endpoint failed: no connection, a cut answer, HTTP 5xx, a full queue."""


class RpcTimeoutError(RpcUnavailableError):
    """The endpoint did not answer within its time limit or ours; asking for less can help."""


class UnknownHostError(RpcUnavailableError):
    """The name of the endpoint's host has no address: a typo, or the name service is away."""


class RpcInternalError(EndpointError):
    """The node answered that its handler failed (-32003, -32603)."""


class RateLimitedError(EndpointError):
    """The endpoint asks to slow down (HTTP 429, or an error that says so)."""


@dataclass(eq=False)
class NodeBehindError(RetriableError):
    """The node does not have the ledger yet (a load balancer, or the tip)."""

    ledger: int
    latest: int
    template = "ledger {ledger} is not on the node yet; its newest is {latest}"


@dataclass(eq=False)
class CircuitOpenError(RetriableError):
    """The circuit breaker of the method stayed open until the caller's deadline."""

    method: str
    retry_after_s: float
    last_error: str = ""

    def __str__(self) -> str:
        cause = f" (last failure: {self.last_error})" if self.last_error else ""
        return (
            f"{self.method} was not called: its circuit breaker is open{cause}; "
            f"the next probe is due in {self.retry_after_s:.1f} s"
        )


@dataclass(eq=False)
class DatabaseUnavailableError(RetriableError):
    """No connection, a lost one, or a conflict; `said` is the server's or driver's message."""

    said: str
    template = (
        "the database is not available: {said}; check that it runs and accepts connections. "
        "The next run repeats what was not committed"
    )


@dataclass(eq=False)
class PrefectUnavailableError(RetriableError):
    """Prefect's API did not answer, or failed."""

    endpoint: str
    said: str
    remedy: str
    template = "Prefect's API at {endpoint} is not available ({said}); {remedy}"


@dataclass(eq=False)
class StalledError(RetriableError):
    """A run made no progress: it committed nothing for `stall_s` seconds."""

    stall_s: float
    waited_for: str
    template = (
        "nothing was committed for {stall_s:g} s; waited for {waited_for}. "
        "What was committed stays; the next run continues from there"
    )


class FatalError(SorobanflowError):
    """The same call would fail again: somebody must change something."""


class ConfigurationError(FatalError, ValueError):
    """A parameter or a setting is wrong; the message says what is valid."""


@dataclass(eq=False)
class RpcRequestError(FatalError):
    """The node refuses the request; `code` is a JSON-RPC error code or an HTTP status."""

    method: str
    code: int
    message: str
    template = "{method} was refused ({code}): {message}"


class RpcProtocolError(FatalError):
    """The answer is not what the method promises."""


@dataclass(eq=False)
class AnswerTooLargeError(FatalError):
    """The answer is larger than the limit; smaller pages were tried before it is raised."""

    method: str
    limit_bytes: int
    template = (
        "the answer to {method} is larger than {limit_bytes} bytes and cannot be requested "
        "in smaller parts; raise max_response_mib of the stellar-rpc block"
    )


@dataclass(eq=False)
class ClientStoppedError(FatalError):
    """The client was stopped; the call was cut or never made."""

    method: str
    template = "{method} was given up: the client was stopped, because the run is ending"


@dataclass(eq=False)
class WrongNetworkError(FatalError):
    """The database is pinned to the passphrase `expected`, the source states `got`."""

    expected: str
    got: str
    template = (
        "the database holds the network {expected!r}, and the source belongs to {got!r}; "
        "use a source of the same network, or another database"
    )


@dataclass(eq=False)
class LedgerOutsideRetentionError(FatalError):
    """The node no longer has the ledger."""

    ledger: int
    oldest: int
    template = (
        "ledger {ledger} is below the source's oldest ledger {oldest}; use a data lake or a node "
        "with more history, start at a later ledger, or pass allow_gap to record the missing "
        "ledgers as a gap"
    )


@dataclass(eq=False)
class LedgerMissingError(FatalError):
    """A data lake does not have the object of exactly these ledgers; `origin` is its key."""

    first: int
    last: int
    origin: str
    template = (
        "the data lake has no object {origin}, which would hold the ledgers {first} to {last}; "
        "take them from another source, or correct the layout that the lake's manifest states"
    )


class LakeError(FatalError):
    """A data lake refuses to answer, or its manifest or an object is not what it must be."""


class ArchiveError(FatalError):
    """A file of the archive, or its place, is not what it should be."""


@dataclass(eq=False)
class LedgerProofError(FatalError):
    """A whole ledger, or its place in the chain, fails a check; `origin` names the object."""

    ledger: int
    check: str
    said: str
    origin: str = ""

    def __str__(self) -> str:
        where = f" of {self.origin}" if self.origin else ""
        return (
            f"ledger {self.ledger}{where} fails the check of its {self.check}: {self.said}. "
            "Nothing of its batch was written; take the ledger from another source"
        )


class SchemaError(FatalError):
    """The database's schema is not the one that this program writes."""


@dataclass(eq=False)
class DatabaseRefusesError(FatalError):
    """The database accepts no data until somebody fixes it; `remedy` is how."""

    said: str
    remedy: str
    template = (
        "the database refuses: {said}: {remedy}. "
        "The next run continues after the last committed batch"
    )


class MassFailureError(FatalError):
    """So many items of a batch cannot be decoded that the fault is not theirs."""


class DataError(SorobanflowError):
    """One item is bad; it goes to quarantine and the batch continues."""


class DecodeError(DataError):
    """XDR or a field of an answer cannot be decoded."""


@dataclass(eq=False)
class WrongHashError(DataError):
    """A transaction's envelope has another hash than the node states."""

    stated: str
    computed: str
    template = (
        "the envelope of transaction {stated} has the hash {computed}; the same node asked "
        "again, or another one, may have the right envelope"
    )
