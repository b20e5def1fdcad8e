"""One call to the node: JSON-RPC around an attempt of an HTTP POST."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from sorobanflow.sources.endpoint.attempts import Attempts, Timed
from sorobanflow.sources.endpoint.transport import Transport
from sorobanflow.sources.rpc.jsonrpc import Decoder, decode_as, decode_reply, encode_call, error_of

T = TypeVar("T")

METHODS = (
    *("getHealth", "getNetwork", "getEvents", "getTransactions", "getTransaction"),
    *("getLedgers", "getLedgerEntries"),
)


class Calls:
    """Makes calls; shared by threads."""

    def __init__(self, transport: Transport, attempts: Attempts) -> None:
        self.transport = transport
        self.attempts = attempts
        self.request_ids = itertools.count(1)

    def stop(self) -> None:
        """Start no more attempts, wake those that wait, cut those under way."""
        self.attempts.stop()
        self.transport.stop()

    def ask(
        self,
        method: str,
        decoder: Decoder[T],
        params: Mapping[str, Any] | None = None,
        ledger: int | None = None,
    ) -> Timed[T]:
        """Make a call, with retries; see `ask_once`."""
        return self.attempts.retried(method, lambda: self.ask_once(method, decoder, params, ledger))

    def ask_once(
        self,
        method: str,
        decoder: Decoder[T],
        params: Mapping[str, Any] | None = None,
        ledger: int | None = None,
    ) -> Timed[T]:
        """Make one attempt of a call. Where it starts at a ledger, errors of ranges name it."""

        def read(result: msgspec.Raw) -> T:
            return decode_as(method, result, decoder)

        return self.once(method, params, read, ledger)

    def once(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        read: Callable[[msgspec.Raw], T],
        ledger: int | None = None,
    ) -> Timed[T]:
        """Make one attempt of one call; `read` takes the result of the answer."""
        request_id = next(self.request_ids)

        def read_reply(body: bytes) -> T:
            reply = decode_reply(method, body, request_id)
            if reply.error is not None:
                raise error_of(method, reply.error, ledger, self.transport.clean)
            return read(reply.result)

        return self.post(method, encode_call(request_id, method, params), read_reply)

    def post(self, method: str, body: bytes, read: Callable[[bytes], T]) -> Timed[T]:
        """Make one POST; what `read` raises is the outcome for the breaker too."""
        return self.attempts.once(method, lambda: self.transport.post(method, body), read)
