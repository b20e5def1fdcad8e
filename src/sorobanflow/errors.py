"""The errors of sorobanflow, grouped by what the caller can do about them.

    SorobanflowError
    ├── RetriableError              wait, then the same call can succeed
    │   ├── RpcUnavailableError     the endpoint failed (counts for the breaker)
    │   │   └── RpcTimeoutError
    │   ├── RpcInternalError        the node answered, its handler failed
    │   ├── RateLimitedError        slow down; says for how long if the node did
    │   ├── NodeBehindError         the ledger has not reached this node yet
    │   ├── CircuitOpenError        the breaker stayed open up to the deadline
    │   ├── StalledError            the run did not get on for too long
    │   └── DatabaseUnavailableError    no connection, a cut one, a conflict of writers
    ├── FatalError                  the same call fails again; somebody must act
    │   ├── ConfigurationError      a parameter or setting is wrong
    │   ├── RpcRequestError         the node refuses the request as we make it
    │   ├── RpcProtocolError        the answer is not what the method promises
    │   ├── AnswerTooLargeError     the answer exceeds the bound on its size
    │   ├── ClientStoppedError      the run is leaving; nothing is asked any more
    │   ├── WrongNetworkError       another network than the database's
    │   ├── LedgerOutsideRetentionError   the node no longer has the ledger
    │   ├── SchemaError             the database's schema is not this program's
    │   ├── DatabaseRefusesError    disk full, read only, a right is missing
    │   └── MassFailureError        too much of a batch cannot be decoded
    └── DataError                   this item is bad; the rest goes on
        ├── DecodeError
        └── WrongHashError          the envelope is not that of the hash

| situation                                        | raise                       |
|--------------------------------------------------|-----------------------------|
| no connection, a cut answer; HTTP 5xx; -32098    | RpcUnavailableError         |
| no answer in time; HTTP 408, 504; -32001         | RpcTimeoutError             |
| -32003, -32603                                   | RpcInternalError            |
| HTTP 429                                         | RateLimitedError            |
| asked for a ledger above the node's latest       | NodeBehindError             |
| asked for a ledger below the node's oldest       | LedgerOutsideRetentionError |
| -32600, -32601, -32602 and other HTTP 4xx        | RpcRequestError             |
| 200 with a body that is not the promised shape   | RpcProtocolError            |
| XDR or a value that no decoder takes             | DecodeError                 |
| another transaction's XDR under a hash           | WrongHashError              |

Every class takes its fields as positional arguments, builds its message from
them, and pickles (Prefect moves exceptions between processes). A message says
what was got, what was wanted and what to do; it never holds a secret: URLs
appear as scheme and host only.
"""


class SorobanflowError(Exception):
    """Base of every error that sorobanflow raises on purpose."""


class RetriableError(SorobanflowError):
    """The same call can succeed later."""


class RpcUnavailableError(RetriableError):
    """The endpoint failed: no connection, a cut answer, HTTP 5xx, a full queue.

    Args:
        message: What failed.
        retry_after_s: Seconds to wait that the endpoint named, if it did.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s)
        self.message = message
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message


class RpcTimeoutError(RpcUnavailableError):
    """The endpoint gave no answer within its time limit or ours; asking for less can help."""


class RpcInternalError(RetriableError):
    """The node answered that its handler failed (-32003, -32603)."""


class RateLimitedError(RetriableError):
    """The endpoint asks to slow down (HTTP 429).

    Args:
        message: What was refused.
        retry_after_s: Seconds to wait that the endpoint named, if it did.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s)
        self.message = message
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        wait = "" if self.retry_after_s is None else f"; retry after {self.retry_after_s:g} s"
        return f"{self.message}{wait}"


class NodeBehindError(RetriableError):
    """The node has not reached the ledger yet (a load balancer, or the tip).

    Args:
        ledger: The ledger asked for.
        latest: The node's newest ledger, as it said.
    """

    def __init__(self, ledger: int, latest: int) -> None:
        super().__init__(ledger, latest)
        self.ledger = ledger
        self.latest = latest

    def __str__(self) -> str:
        return f"ledger {self.ledger} is not on the node yet; its newest is {self.latest}"


class CircuitOpenError(RetriableError):
    """The circuit breaker stayed open until the caller's deadline.

    Args:
        method: The RPC method whose breaker is open.
        retry_after_s: Seconds until the breaker admits the next probe.
        last_error: The newest failure that the breaker has seen.
    """

    def __init__(self, method: str, retry_after_s: float, last_error: str = "") -> None:
        super().__init__(method, retry_after_s, last_error)
        self.method = method
        self.retry_after_s = retry_after_s
        self.last_error = last_error

    def __str__(self) -> str:
        cause = f" (last failure: {self.last_error})" if self.last_error else ""
        return (
            f"the circuit breaker of {self.method} is open{cause}; "
            f"next probe in {self.retry_after_s:.1f} s"
        )


class DatabaseUnavailableError(RetriableError):
    """The database does not answer, cut the connection, or a transaction lost to another.

    Args:
        said: What the server or the driver said, in one line.
    """

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said

    def __str__(self) -> str:
        return (
            f"the database is not available: {self.said}; check that it runs and takes "
            "connections; what was not committed is done again by the next run"
        )


class StalledError(RetriableError):
    """A run did not get on: nothing was committed for too long.

    Args:
        stall_s: For how many seconds.
        waited_for: What the run waited for.
    """

    def __init__(self, stall_s: float, waited_for: str) -> None:
        super().__init__(stall_s, waited_for)
        self.stall_s = stall_s
        self.waited_for = waited_for

    def __str__(self) -> str:
        return (
            f"nothing was committed for {self.stall_s:g} s; waited for {self.waited_for}. "
            "What was committed stays; the next run goes on from there"
        )


class FatalError(SorobanflowError):
    """The same call would fail again: somebody must change something."""


class ConfigurationError(FatalError, ValueError):
    """A parameter or a setting is wrong; the message says what is valid."""


class RpcRequestError(FatalError):
    """The node refuses the request as it stands.

    Args:
        method: The RPC method.
        code: JSON-RPC error code, or the HTTP status.
        message: What the node said, shortened.
    """

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(method, code, message)
        self.method = method
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.method} was refused ({self.code}): {self.message}"


class RpcProtocolError(FatalError):
    """The answer is not what the method promises."""


class AnswerTooLargeError(FatalError):
    """The answer is larger than the bound on its size.

    Pages are asked for again with fewer items, so who sees this error has asked
    for as little as can be.

    Args:
        method: The RPC method.
        limit_bytes: The bound that was passed.
    """

    def __init__(self, method: str, limit_bytes: int) -> None:
        super().__init__(method, limit_bytes)
        self.method = method
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return (
            f"the answer to {self.method} is larger than {self.limit_bytes} bytes and cannot be "
            "had in smaller parts; raise max_response_mib of the stellar-rpc block"
        )


class ClientStoppedError(FatalError):
    """The client was told to stop; the call was cut off, or never made.

    Args:
        method: The RPC method.
    """

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        return f"{self.method} has no answer: the client was stopped, because the run is leaving"


class WrongNetworkError(FatalError):
    """The node is of another network than the database.

    Args:
        expected: Passphrase that the database is pinned to.
        got: Passphrase that the node answers with.
    """

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return (
            f"the database holds the network {self.expected!r}, the node is of {self.got!r}; "
            "use a node of the same network, or another database"
        )


class LedgerOutsideRetentionError(FatalError):
    """The node no longer has the ledger.

    Args:
        ledger: The first ledger asked for.
        oldest: The node's oldest ledger, as it said.
    """

    def __init__(self, ledger: int, oldest: int) -> None:
        super().__init__(ledger, oldest)
        self.ledger = ledger
        self.oldest = oldest

    def __str__(self) -> str:
        return (
            f"ledger {self.ledger} is below the node's oldest ledger {self.oldest}; "
            "use a node with longer history, start at a later ledger, "
            "or pass allow_gap to record the missing ledgers as a gap"
        )


class SchemaError(FatalError):
    """The database's schema is not the one that this program writes."""


class DatabaseRefusesError(FatalError):
    """The database takes no data until somebody mends it.

    Args:
        said: What the server said, in one line.
        remedy: Why, and what is to be done.
    """

    def __init__(self, said: str, remedy: str) -> None:
        super().__init__(said, remedy)
        self.said = said
        self.remedy = remedy

    def __str__(self) -> str:
        return (
            f"the database refuses to go on: {self.said}: {self.remedy}; "
            "the next run goes on after the last batch that was committed"
        )


class MassFailureError(FatalError):
    """So many items of a batch cannot be decoded that the fault is not theirs."""


class DataError(SorobanflowError):
    """One item is bad; it goes to quarantine and the batch goes on."""


class DecodeError(DataError):
    """XDR or a field of an answer cannot be decoded."""


class WrongHashError(DataError):
    """A transaction's envelope is not that of its hash: the node mixed something up.

    Args:
        stated: The hash that the node gives it.
        computed: The hash of the envelope on this network.
    """

    def __init__(self, stated: str, computed: str) -> None:
        super().__init__(stated, computed)
        self.stated = stated
        self.computed = computed

    def __str__(self) -> str:
        return (
            f"the envelope sent as transaction {self.stated} is that of {self.computed}; "
            "another node, or this one asked again, may have the right one"
        )
