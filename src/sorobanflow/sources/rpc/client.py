"""The client of a Stellar RPC node: one method per RPC method that we read.

All that the indexer knows of the chain comes through here; `events_walk` and the chunks
read ranges with it. Invariants: an answer is what its method promises, or an error
says what it is instead; what the client learns about the node (the size of its pages,
that it refuses batches) changes the number of calls, never what the caller gets.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self, TypeVar

import msgspec

from sorobanflow.errors import RpcRequestError
from sorobanflow.records import Hook
from sorobanflow.sources.rpc.breaker import BreakerSettings, CircuitBreaker, Clock, Wait
from sorobanflow.sources.rpc.call_sizes import CallSize
from sorobanflow.sources.rpc.calls import Calls
from sorobanflow.sources.rpc.concurrency import Concurrency
from sorobanflow.sources.rpc.filters import EventFilter, wire_filters
from sorobanflow.sources.rpc.jsonrpc import decode_as, ledger_without_metadata, range_error
from sorobanflow.sources.rpc.jsonrpc_batch import Answer, Answers, JsonRpcBatches, ask_once
from sorobanflow.sources.rpc.pages import Pages
from sorobanflow.sources.rpc.retry import RetryPolicy, RetrySettings
from sorobanflow.sources.rpc.transport import BaseTransport, HttpSettings, Transport
from sorobanflow.sources.rpc.wire import EventsPage, Health, Network, TransactionsPage
from sorobanflow.toid import parse_event_id, parse_transactions_cursor

T = TypeVar("T")

MAX_EVENTS = 10_000
MAX_TRANSACTIONS = 200
MIN_TRANSACTIONS = 20  # fewer are not worth a call of their own
MAX_BATCH_CALLS = 200

_health = msgspec.json.Decoder(Health, strict=False)
_network = msgspec.json.Decoder(Network, strict=False)


class RpcClient:
    """A node behind one URL; shared by threads, closed by its `with` block.

    Args:
        url: The endpoint, http or https; may hold a key, which is never shown.
        headers: Sent with every call; never shown.
        http: Limits of one HTTP call.
        retry: How often a call is tried, and how long it waits in between.
        breaker: When the circuit breakers open; there is one per RPC method.
        hook: Gets the records of the client.
        before_call: Called before each attempt; may wait, to keep to a rate.
        transport: Stands in for the network in tests; so do the next four.
        clock: Monotonic seconds.
        sleep: Waits between attempts; None: until the time is over or `stop`.
        wait: Waits for a breaker.
        uniform: Draws the jitter.

    Attributes:
        sizes: How many items a call asks for, by RPC method; of getTransaction, how
            many calls a JSON-RPC batch holds.
        batches: JSON-RPC batches, and whether the node accepts them.

    Raises:
        ConfigurationError: the URL, a header or a setting cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        http: HttpSettings | None = None,
        retry: RetrySettings | None = None,
        breaker: BreakerSettings | None = None,
        hook: Hook | None = None,
        before_call: Callable[[], object] | None = None,
        transport: BaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        wait: Wait = threading.Condition.wait,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        http = http or HttpSettings()
        self._transport = Transport(
            url, headers=headers, settings=http, transport=transport, clock=clock
        )
        self._policy = RetryPolicy(retry, sleep=sleep or self._transport.sleep, uniform=uniform)
        self._calls = Calls(
            self._transport,
            self._policy,
            breaker,
            Concurrency(http.max_connections, hook=hook, clock=clock),
            hook=hook,
            before_call=before_call,
            clock=clock,
            wait=wait,
        )
        self.sizes: Mapping[str, CallSize] = {
            "getEvents": CallSize(MAX_EVENTS, min_slow=MAX_EVENTS),
            "getTransactions": CallSize(MAX_TRANSACTIONS, min_slow=MIN_TRANSACTIONS),
            "getTransaction": CallSize(MAX_BATCH_CALLS, min_slow=1),
        }
        self._event_pages = Pages(self._calls, "getEvents", self.sizes["getEvents"], EventsPage)
        self._transaction_pages = Pages(
            self._calls, "getTransactions", self.sizes["getTransactions"], TransactionsPage
        )
        self.batches = JsonRpcBatches(self._calls, self.sizes["getTransaction"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """Give up, from any thread: calls under way and waits end now, and no others start.

        Every call then raises ClientStoppedError. A connection that is being made ends
        after `connect_timeout_s` at the latest. The client still has to be closed.
        """
        self._calls.stop()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of the node: what may be shown of its URL."""
        return self._transport.endpoint

    @property
    def breakers(self) -> Mapping[str, CircuitBreaker]:
        """The circuit breakers by RPC method."""
        return self._calls.breakers

    def pause(self, attempt: int) -> None:
        """Wait as the retries do after attempt number `attempt`, counted from 1."""
        self._policy.pause(attempt)

    def get_health(self) -> Health:
        """Ask which ledgers the node has."""
        return self._call("getHealth", _health)

    def get_network(self) -> Network:
        """Ask for the network that the node belongs to."""
        return self._call("getNetwork", _network)

    def get_events(
        self,
        start: int | None = None,
        end: int | None = None,
        *,
        cursor: str = "",
        limit: int = MAX_EVENTS,
        filters: Sequence[EventFilter] = (),
    ) -> EventsPage:
        """Get a page of events, from a ledger on or after a cursor.

        Args:
            start: First ledger; not together with `cursor`.
            end: First ledger after the range; not together with `cursor`.
            cursor: The id of the event that the page starts after.
            limit: Max events; the client or the node may ask for fewer.
            filters: At most one.

        Raises:
            NodeBehindError: the page starts above the node's newest ledger.
            LedgerOutsideRetentionError: it starts below the node's oldest.
        """
        span = {"startLedger": start, "endLedger": end, "filters": wire_filters(filters)}
        params = {name: value for name, value in span.items() if value}
        ledger = start if start is not None else parse_event_id(cursor).ledger
        return self._event_pages.get(params, cursor, limit, ledger)

    def get_transactions(
        self, cursor: str = "", *, start: int | None = None, limit: int = MAX_TRANSACTIONS
    ) -> TransactionsPage:
        """Get a page of transactions, after a cursor or from a ledger on.

        Raises:
            NodeBehindError: the page starts above the node's newest ledger.
            LedgerOutsideRetentionError: it starts below the node's oldest.
        """
        params = {} if start is None else {"startLedger": start}
        ledger = start if start is not None else parse_transactions_cursor(cursor)[0]
        try:
            return self._transaction_pages.get(params, cursor, limit, ledger)
        except RpcRequestError as error:
            missing = ledger_without_metadata(error.message)
            if missing is None:
                raise
            node = self.get_health()
            bounds = node.oldest_ledger, node.latest_ledger
            raise range_error("getTransactions", missing, *bounds) from error

    def get_transaction(self, tx_hash: str) -> Answer:
        """Get a transaction; NotFound and Malformed are answers, not errors.

        Raises:
            RpcProtocolError: the node gave another transaction.
        """
        return self._calls.retried("getTransaction", lambda: ask_once(self._calls, tx_hash))

    def get_transaction_batch(
        self, hashes: Sequence[str], answers: Answers | None = None
    ) -> list[Answer]:
        """Get transactions in one POST, or one by one where the node refuses batches.

        Args:
            hashes: The transactions.
            answers: Filled as answers arrive, so that an error loses none of them; what
                it holds already is not requested again.

        Returns:
            The answers in the order of `hashes`.
        """
        answers = {} if answers is None else answers
        missing = [name for name in dict.fromkeys(hashes) if name not in answers]
        if len(missing) > 1 and self.batches.accepted:
            self.batches.ask(missing, answers)
        for name in missing:
            if name not in answers:
                answers[name] = self.get_transaction(name)
        return [answers[name] for name in hashes]

    def _call(self, method: str, decoder: msgspec.json.Decoder[T]) -> T:
        def read(result: msgspec.Raw) -> T:
            return decode_as(method, result, decoder)

        return self._calls.retried(method, lambda: self._calls.once(method, None, read)).value
