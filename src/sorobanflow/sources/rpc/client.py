"""The client of a Stellar RPC node: one method per RPC method that we read.

Everything the indexer knows of the chain comes through here; `paging` and
`fetch` walk ranges with it. Invariants: an answer is what its method promises,
or an error says what it is instead; what the client learns about the node (its
page limits, told or found out, that it takes no batches) changes how much one
call asks for, never what the caller gets.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Self, TypeVar

import msgspec

from sorobanflow.errors import (
    AnswerTooLargeError,
    DecodeError,
    RetriableError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.sources.rpc.batch import Answer, BatchRefusedError, TransactionBatch, answer_of
from sorobanflow.sources.rpc.breaker import BreakerSettings, CircuitBreaker, Clock, Wait
from sorobanflow.sources.rpc.calls import Calls
from sorobanflow.sources.rpc.filters import EventFilter, wire_filters
from sorobanflow.sources.rpc.jsonrpc import (
    decode_as,
    decode_reply,
    encode_call,
    error_of,
    ledger_without_metadata,
    page_limit,
    range_error,
)
from sorobanflow.sources.rpc.pace import CallSize, Pace
from sorobanflow.sources.rpc.retry import RetryPolicy, RetrySettings
from sorobanflow.sources.rpc.stats import Hook
from sorobanflow.sources.rpc.transport import BaseTransport, HttpSettings, Transport
from sorobanflow.sources.rpc.wire import EventsPage, Health, Network, TransactionsPage
from sorobanflow.toid import parse_event_id, parse_transactions_cursor

T = TypeVar("T")
Parse = Callable[[msgspec.Raw], T]

MAX_EVENTS = 10_000
MAX_TRANSACTIONS = 200
MIN_TRANSACTIONS = 20  # fewer are not worth a call of their own
MAX_BATCH_CALLS = 200

_health = msgspec.json.Decoder(Health, strict=False)
_network = msgspec.json.Decoder(Network, strict=False)
_events = msgspec.json.Decoder(EventsPage, strict=False)
_transactions = msgspec.json.Decoder(TransactionsPage, strict=False)


class RpcClient:
    """A node behind one URL; shared by threads, closed by its `with` block.

    Args:
        url: The endpoint, http or https; may hold a key, which is never shown.
        headers: Sent with every call; never shown.
        http: Bounds of one HTTP call.
        retry: How often and how patiently a call is tried.
        breaker: When the circuit breakers open; one per RPC method.
        hook: Gets a record of each call, retry and change of a breaker.
        before_call: Called before each attempt; may wait, for a rate's sake.
        transport: Stands in for the network in tests; so do the next four.
        clock: Monotonic seconds.
        sleep: Waits between attempts; None: until the time is over or `stop`.
        wait: Waits for a breaker.
        uniform: Draws the jitter.

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
        sleep: Callable[[float], object] | None = None,
        wait: Wait = threading.Condition.wait,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        http = http or HttpSettings()
        self._transport = Transport(
            url, headers=headers, settings=http, transport=transport, clock=clock
        )
        self._clock = clock
        self._policy = RetryPolicy(retry, sleep=sleep or self._transport.sleep, uniform=uniform)
        self._calls = Calls(
            self._transport,
            self._policy,
            breaker,
            Pace(http.max_connections, hook=hook, clock=clock),
            hook=hook,
            before_call=before_call,
            clock=clock,
            wait=wait,
        )
        self._request_ids = itertools.count(1)
        self._page_limits: dict[str, int] = {}
        self.accepts_batches = True
        self._batch_answered = False
        self.largest_transactions_page = 0
        self.page_size = CallSize(MIN_TRANSACTIONS, MAX_TRANSACTIONS)
        self.batch_size = CallSize(1, MAX_BATCH_CALLS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """Give up, from any thread: calls under way and waits end now, no others start.

        Every call then raises ClientStoppedError. A connection that is still being
        made ends at `connect_timeout_s`. The client stays to be closed.
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
        """Wait as the retries do behind attempt number `attempt`, counted from 1."""
        self._policy.pause(attempt)

    def get_health(self) -> Health:
        """Ask which ledgers the node has."""
        return self._call("getHealth", None, lambda raw: decode_as("getHealth", raw, _health))

    def get_network(self) -> Network:
        """Ask which network the node is of."""
        return self._call("getNetwork", None, lambda raw: decode_as("getNetwork", raw, _network))

    def get_events(
        self,
        start: int | None = None,
        end: int | None = None,
        *,
        cursor: str = "",
        limit: int = MAX_EVENTS,
        filters: Sequence[EventFilter] = (),
    ) -> EventsPage:
        """Get a page of events, from a ledger on or behind a cursor.

        Args:
            start: First ledger; with `cursor` neither it nor `end` may be given.
            end: First ledger that is no longer wanted.
            cursor: The id of the event behind which the page starts.
            limit: Events at most; the node may allow fewer.
            filters: At most one.

        Raises:
            NodeBehindError: the page starts above the node's newest ledger.
            LedgerOutsideRetentionError: it starts below the node's oldest.
        """
        span = {"startLedger": start, "endLedger": end, "filters": wire_filters(filters)}
        params = {name: value for name, value in span.items() if value}
        ledger = start if start is not None else _ledger(lambda: parse_event_id(cursor)[0])
        return self._page("getEvents", params, cursor, limit, _events, ledger)

    def get_transactions(
        self, cursor: str = "", *, start: int | None = None, limit: int = MAX_TRANSACTIONS
    ) -> TransactionsPage:
        """Get a page of transactions, behind a cursor or from a ledger on.

        Raises:
            NodeBehindError: the page starts above the node's newest ledger.
            LedgerOutsideRetentionError: it starts below the node's oldest.
        """
        params = {} if start is None else {"startLedger": start}
        ledger = (
            start if start is not None else _ledger(lambda: parse_transactions_cursor(cursor)[0])
        )
        began = self._clock()
        try:
            page = self._page("getTransactions", params, cursor, limit, _transactions, ledger)
        except RpcRequestError as error:
            missing = ledger_without_metadata(error.message)
            if missing is None:
                raise
            raise self._missing(missing) from error
        size = len(page.transactions or ())
        self.page_size.learn(size, self._clock() - began)
        self.largest_transactions_page = max(self.largest_transactions_page, size)
        return page

    def transactions_per_page(self, limit: int) -> int:
        """Give what a page of `limit` transactions is cut to, as far as the node said."""
        return min(limit, self._page_limits.get("getTransactions", limit))

    def get_transaction(self, tx_hash: str) -> Answer:
        """Get a transaction; NotFound and Malformed are answers, not errors.

        Raises:
            RpcProtocolError: the node gave another transaction.
        """
        params = {"hash": tx_hash}
        return self._call("getTransaction", params, lambda raw: answer_of(tx_hash, raw))

    def get_transaction_batch(
        self, hashes: Sequence[str], answers: MutableMapping[str, Answer] | None = None
    ) -> list[Answer]:
        """Get transactions in one POST, or one by one where the node takes no batches.

        Args:
            hashes: The transactions wanted.
            answers: Is filled as answers come, so an error loses none of them;
                what it holds already is not asked again.

        Returns:
            The answers in the order of `hashes`.
        """
        answers = {} if answers is None else answers
        missing = [name for name in dict.fromkeys(hashes) if name not in answers]
        if len(missing) > 1 and self.accepts_batches:
            self._ask_together(missing, answers)
        for name in missing:
            if name not in answers:
                answers[name] = self.get_transaction(name)
        return [answers[name] for name in hashes]

    def _ask_together(self, hashes: list[str], answers: MutableMapping[str, Answer]) -> None:
        batch = TransactionBatch(self._calls, self._request_ids, hashes, answers)

        def ask() -> None:
            if not self.accepts_batches:  # another thread has found out
                raise BatchRefusedError
            batch.ask()

        began = self._clock()
        try:
            self._calls.retried("getTransaction", ask)
            self.batch_size.learn(len(hashes), self._clock() - began)
        except BatchRefusedError:
            self.accepts_batches = False
        except AnswerTooLargeError:
            pass  # one by one they may fit, and the next batch may be smaller
        except RpcUnavailableError as error:
            if self._batch_answered or batch.answered:
                raise
            self._ask_alone(hashes[0], answers, error)
            self.accepts_batches = False
        finally:
            self._batch_answered |= batch.answered

    def _ask_alone(
        self, tx_hash: str, answers: MutableMapping[str, Answer], error: RpcUnavailableError
    ) -> None:
        """Make one call: some gateways answer a batch, but no single call, with HTTP 500.

        Raises:
            RpcUnavailableError: `error`, since single calls fail as well.
        """
        params = {"hash": tx_hash}
        attempt = self._attempt("getTransaction", params, lambda raw: answer_of(tx_hash, raw))
        try:
            answers[tx_hash] = attempt()
        except RetriableError:
            raise error from None

    def _page(
        self,
        method: str,
        params: dict[str, Any],
        cursor: str,
        limit: int,
        decoder: msgspec.json.Decoder[T],
        ledger: int | None,
    ) -> T:
        limit = min(limit, self._page_limits.get(method, limit))
        while True:
            pagination = {"cursor": cursor, "limit": limit} if cursor else {"limit": limit}
            try:
                return self._call(
                    method,
                    {**params, "pagination": pagination},
                    lambda raw: decode_as(method, raw, decoder),
                    ledger,
                )
            except RpcTimeoutError:
                # The caller's next try asks for less: the page may be too heavy for the node.
                self._lower(method, limit // 2)
                raise
            except (RpcRequestError, AnswerTooLargeError) as error:
                smaller = _smaller_page(limit, error)
                if smaller is None:
                    raise
                limit = self._lower(method, smaller)

    def _lower(self, method: str, limit: int) -> int:
        # Threads find out at the same time: the least counts.
        limit = max(1, min(limit, self._page_limits.get(method, limit)))
        self._page_limits[method] = limit
        return limit

    def _call(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        parse: Parse[T],
        ledger: int | None = None,
    ) -> T:
        return self._calls.retried(method, self._attempt(method, params, parse, ledger))

    def _attempt(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        parse: Parse[T],
        ledger: int | None = None,
    ) -> Callable[[], T]:
        request_id = next(self._request_ids)
        body = encode_call(request_id, method, params)

        def read(answer: bytes) -> T:
            reply = decode_reply(method, answer, request_id)
            if reply.error is not None:
                raise error_of(method, reply.error, ledger, self._transport.clean)
            return parse(reply.result)

        return lambda: self._calls.once(method, body, read)

    def _missing(self, ledger: int) -> SorobanflowError:
        health = self.get_health()
        return range_error("getTransactions", ledger, health.oldest_ledger, health.latest_ledger)


def _smaller_page(limit: int, error: RpcRequestError | AnswerTooLargeError) -> int | None:
    """Give how much to ask for after an error, or None if less would not help."""
    if isinstance(error, AnswerTooLargeError):
        return limit // 2 or None
    allowed = page_limit(error.message)
    return allowed if allowed is not None and 0 < allowed < limit else None


def _ledger(parse: Callable[[], int]) -> int | None:
    try:
        return parse()
    except DecodeError:
        return None
