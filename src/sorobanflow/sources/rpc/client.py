"""The client of a Stellar RPC node: one method per RPC method that we read.

`events_walk` and the chunks read ranges with it. Invariants: an answer is what its method
promises, or an error; what the client learns about the node (the size of its pages, that
it refuses batches) changes the number of calls, never what the caller gets.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self

import msgspec

from sorobanflow.errors import RpcRequestError
from sorobanflow.records import Hook
from sorobanflow.sources.endpoint.attempts import Attempts
from sorobanflow.sources.endpoint.breaker import BreakerSettings, CircuitBreaker, Clock, Wait
from sorobanflow.sources.endpoint.concurrency import Concurrency
from sorobanflow.sources.endpoint.retry import RetryPolicy, RetrySettings
from sorobanflow.sources.endpoint.transport import BaseTransport, HttpSettings, Transport
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.call_sizes import CallSize
from sorobanflow.sources.rpc.calls import METHODS, Calls
from sorobanflow.sources.rpc.health import ask_health
from sorobanflow.sources.rpc.jsonrpc import (
    decode_as,
    ledger_without_metadata,
    range_error,
)
from sorobanflow.sources.rpc.jsonrpc_batch import Answer, Answers, JsonRpcBatches, ask_once
from sorobanflow.sources.rpc.pages import Pages
from sorobanflow.sources.rpc.wire import (
    EventsPage,
    Health,
    LedgerEntries,
    LedgersPage,
    Network,
    PageDecoder,
    TransactionsPage,
)
from sorobanflow.toid import parse_event_id, parse_transactions_cursor

MAX_EVENTS = 10_000
MAX_TRANSACTIONS = 200
MIN_TRANSACTIONS = 20  # fewer are not worth a call of their own
MAX_LEDGERS = 200
FIRST_LEDGERS = 5  # in the first calls: a ledger of 2026 is 2 MB of base64
MAX_BATCH_CALLS = 200

_network = msgspec.json.Decoder(Network, strict=False)
_events = PageDecoder(EventsPage, Event)
_entries = msgspec.json.Decoder(LedgerEntries, strict=False)
_ledgers = msgspec.json.Decoder(LedgersPage, strict=False)
_transactions = PageDecoder(TransactionsPage, Transaction)


class RpcClient:
    """A node behind one URL; shared by threads, closed by its `with` block.

    Args:
        url, headers: May hold keys, which are never shown.
        before_call: Called before each attempt; may wait, to keep to a rate.
        transport, clock, sleep, wait, uniform: Stand in for network, time and chance in tests.

    Attributes:
        max_workers: How many calls there may be concurrently.
        sizes: How many items a call asks for, by RPC method; of getTransaction, how
            many calls a JSON-RPC batch holds.

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
        self.max_workers = http.max_connections
        self._transport = Transport(
            url, headers=headers, settings=http, transport=transport, clock=clock
        )
        self._policy = RetryPolicy(retry, sleep=sleep or self._transport.sleep, uniform=uniform)
        attempts = Attempts(
            METHODS,
            self._policy,
            breaker,
            Concurrency(http.max_connections, hook=hook, clock=clock),
            hook=hook,
            before_call=before_call,
            clock=clock,
            wait=wait,
        )
        self._calls = Calls(self._transport, attempts)
        self.sizes: Mapping[str, CallSize] = {
            "getEvents": CallSize(MAX_EVENTS, min_slow=MAX_EVENTS),
            "getTransactions": CallSize(MAX_TRANSACTIONS, min_slow=MIN_TRANSACTIONS),
            "getLedgers": CallSize(MAX_LEDGERS, min_slow=1, start=FIRST_LEDGERS),
            "getTransaction": CallSize(MAX_BATCH_CALLS, min_slow=1),
        }
        self._pages = Pages(self._calls, self.sizes)
        self.batches = JsonRpcBatches(self._calls, self.sizes["getTransaction"], clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """End calls and waits now, from any thread; every call then raises ClientStoppedError.

        A connect ends after `connect_timeout_s` at the latest. The client still has to be closed.
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
    def last_failure(self) -> str:
        """What the last attempts failed with; empty if one has succeeded since."""
        return self._calls.attempts.last_failure

    @property
    def breakers(self) -> Mapping[str, CircuitBreaker]:
        """The circuit breakers by RPC method."""
        return self._calls.attempts.breakers

    def pause(self, attempt: int) -> None:
        """Wait as the retries do after an attempt, counted from 1."""
        self._policy.pause(attempt)

    def get_health(self) -> Health:
        """Ask which ledgers the node has."""
        return self._calls.attempts.retried("getHealth", lambda: ask_health(self._calls))

    def get_network(self) -> Network:
        """Ask for the network that the node belongs to."""
        return self._calls.ask("getNetwork", _network).value

    def get_events(
        self,
        start: int | None = None,
        end: int | None = None,
        *,
        cursor: str = "",
        limit: int = MAX_EVENTS,
        event_filter: EventFilter | None = None,
    ) -> EventsPage[Event | Malformed]:
        """Get a page of events: from ledger `start` up to before `end`, or after a cursor.

        The client or the node may ask for fewer than `limit`.

        Raises:
            NodeBehindError: the page starts above the node's newest ledger.
            LedgerOutsideRetentionError: it starts below the node's oldest.
        """
        filters = [event_filter.wire()] if event_filter else []
        span = {"startLedger": start, "endLedger": end, "filters": filters}
        params = {name: value for name, value in span.items() if value}
        ledger = start if start is not None else parse_event_id(cursor).ledger
        return self._pages.get("getEvents", _events, params, cursor, limit, ledger)

    def get_transactions(
        self, cursor: str = "", *, start: int | None = None, limit: int = MAX_TRANSACTIONS
    ) -> TransactionsPage[Transaction | Malformed]:
        """Get a page of transactions, after a cursor or from a ledger on; see `get_events`."""
        params = {} if start is None else {"startLedger": start}
        ledger = start if start is not None else parse_transactions_cursor(cursor)[0]
        try:
            return self._pages.get("getTransactions", _transactions, params, cursor, limit, ledger)
        except RpcRequestError as error:
            missing = ledger_without_metadata(error.message)
            if missing is None:
                raise
            node = self.get_health()
            bounds = node.oldest_ledger, node.latest_ledger
            raise range_error("getTransactions", missing, *bounds) from error

    def get_ledgers(self, start: int, *, limit: int = MAX_LEDGERS) -> LedgersPage:
        """Get a page of whole ledgers from one on; see `get_events`."""
        return self._pages.get("getLedgers", _ledgers, {"startLedger": start}, "", limit, start)

    def get_transaction(self, tx_hash: str) -> Answer:
        """Get a transaction; NotFound and Malformed are answers, not errors."""
        answer, seconds = self._calls.attempts.retried(
            "getTransaction", lambda: ask_once(self._calls, tx_hash)
        )
        self.sizes["getTransaction"].succeed(1, seconds)  # batches of one grow again
        return answer

    def get_transaction_batch(self, hashes: Sequence[str], answers: Answers) -> None:
        """Get transactions in one POST, or one by one where the node refuses batches.

        `answers` is filled as they arrive; what it holds already is not requested again.
        """
        missing = [name for name in dict.fromkeys(hashes) if name not in answers]
        if len(missing) > 1 and self.batches.accepted:
            self.batches.ask(missing, answers)
        for name in missing:
            if name not in answers:
                answers[name] = self.get_transaction(name)

    def get_ledger_entries(self, keys: Sequence[str]) -> LedgerEntries:
        """Get the current state of entries by their LedgerKeys, base64; without retries."""
        method = "getLedgerEntries"
        read = partial(decode_as, method, decoder=_entries)
        return self._calls.once(method, {"keys": keys}, read).value
