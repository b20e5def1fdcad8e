"""A small Stellar RPC node for tests: a handler for httpx.MockTransport.

Obeys the algorithms of getEvents and getTransactions of stellar-rpc v28, as far
as paging goes. Everything is a plain attribute, so that a test can move the
window, lower the caps or fail a call.
"""

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from sorobanflow.sources.endpoint.breaker import BreakerSettings
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.toid import (
    Position,
    TxPosition,
    end_of_ledger,
    parse_event_id,
    parse_transactions_cursor,
)

URL = "https://user:hunter2secret@node.example:8443/v1/apikey12345?token=querysecret"


def tx_hash(ledger: int, order: int) -> str:
    return f"{ledger:032x}{order:032x}"


def event(position: Position, **changes: Any) -> dict[str, Any]:
    return {
        "type": "contract",
        "ledger": position.ledger,
        "ledgerClosedAt": "2026-07-21T18:01:10Z",
        "contractId": "",
        "id": position.event_id,
        "operationIndex": 0,
        "transactionIndex": position.tx,
        "txHash": tx_hash(position.ledger, position.tx),
        "topic": ["AAAA"],
        "value": "AAAA",
        **changes,
    }


def transaction(ledger: int, order: int, **changes: Any) -> dict[str, Any]:
    return {
        "txHash": tx_hash(ledger, order),
        "status": "SUCCESS",
        "ledger": ledger,
        "applicationOrder": order,
        "feeBump": False,
        "createdAt": 1_700_000_000,
        "envelopeXdr": "AAAA",
        "resultXdr": "AAAA",
        "resultMetaXdr": "AAAA",
        **changes,
    }


class RpcFaultError(Exception):
    """Makes the node answer with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(code, message)
        self.body = {"code": code, "message": message} | ({"data": data} if data else {})


class Node:
    """The node; `before` may raise or return an answer in place of the node's."""

    def __init__(self, oldest: int = 1, latest: int = 100) -> None:
        self.oldest = oldest
        self.latest = latest
        self.events: list[dict[str, Any]] = []
        self.transactions: list[dict[str, Any]] = []
        self.hidden: set[str] = set()
        self.event_limit = 10_000
        self.transaction_limit = 200
        self.silent_cap = 10_000
        self.accepts_batches = True
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.posts = 0
        self.before: Callable[[int], httpx.Response | None] = lambda number: None
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.posts += 1
            fault = self.before(self.posts)
            if fault is not None:
                return fault
            asked = json.loads(request.content)
            if isinstance(asked, list):
                if not self.accepts_batches:
                    return httpx.Response(400, text="batches are not supported")
                return httpx.Response(200, json=[self.answer(call) for call in asked])
            return httpx.Response(200, json=self.answer(asked))

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        params = call.get("params", {})
        self.calls.append((call["method"], params))
        reply = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return {**reply, "result": getattr(self, call["method"])(params)}
        except RpcFaultError as fault:
            return {**reply, "error": fault.body}

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def bounds(self) -> dict[str, Any]:
        return {"latestLedger": self.latest, "oldestLedger": self.oldest}

    def getHealth(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"status": "healthy", **self.bounds()}

    def getNetwork(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"passphrase": "Test Network", "protocolVersion": 23}

    def getEvents(self, params: dict[str, Any]) -> dict[str, Any]:
        limit = params["pagination"]["limit"]
        if limit > self.event_limit:
            raise RpcFaultError(-32602, f"limit must not exceed {self.event_limit}")
        cursor = params["pagination"].get("cursor")
        if cursor:
            assert "startLedger" not in params
            assert "endLedger" not in params
            at = parse_event_id(cursor)
            start = at._replace(event=at.event + 1)
        else:
            start = Position(params["startLedger"], 0, 0, 0)
        if not self.oldest <= start.ledger <= self.latest:
            text = f"startLedger must be within the ledger range: {self.oldest} - {self.latest}"
            raise RpcFaultError(-32600, text)
        end = min(self.latest + 1, start.ledger + 10_000, params.get("endLedger", 2**31))
        first, stop = start.event_id, Position(end, 0, 0, 0).event_id
        limit = min(limit, self.silent_cap)
        rows = [row for row in self.events if first <= row["id"] < stop][:limit]
        full = len(rows) == limit
        cursor = rows[-1]["id"] if full else end_of_ledger(end - 1).event_id
        return {"events": rows, "cursor": cursor, **self.bounds()}

    def getTransactions(self, params: dict[str, Any]) -> dict[str, Any]:
        limit = params["pagination"]["limit"]
        if limit > self.transaction_limit:
            raise RpcFaultError(-32600, f"limit must not exceed {self.transaction_limit}")
        if cursor := params["pagination"].get("cursor"):
            ledger, order = parse_transactions_cursor(cursor)
        else:
            ledger, order = params["startLedger"], 0
        if ledger < self.oldest:
            raise RpcFaultError(-32602, f"database does not contain metadata for ledger: {ledger}")
        if ledger > self.latest:
            return {"transactions": [], "cursor": "0", **self.bounds()}
        rows = [row for row in self.transactions if place(row) > (ledger, order)]
        rows = [row for row in rows if row["ledger"] <= self.latest]
        rows = rows[: min(limit, self.silent_cap)]
        at = place(rows[-1]) if rows else (self.latest, 0)
        return {"transactions": rows, "cursor": TxPosition(*at).cursor, **self.bounds()}

    def getTransaction(self, params: dict[str, Any]) -> dict[str, Any]:
        for row in self.transactions:
            if row["txHash"] == params["hash"] and row["txHash"] not in self.hidden:
                return {**row, "createdAt": str(row["createdAt"]), **self.bounds()}
        lost = {"status": "NOT_FOUND", "txHash": params["hash"], "ledger": 0, "createdAt": "0"}
        return {**lost, "applicationOrder": 0, "feeBump": False, "events": {}, **self.bounds()}


def place(row: dict[str, Any]) -> tuple[int, int]:
    return row["ledger"], row["applicationOrder"]


def fill(node: Node, counts: Sequence[tuple[int, int]]) -> None:
    """Give ledgers that many transactions."""
    for ledger, count in counts:
        node.transactions += [transaction(ledger, order + 1) for order in range(count)]


def node_of(transactions: int, events: int) -> Node:
    """Ledgers 2000 to 2003, each with so many transactions, the first of them with an event."""
    node = Node(latest=2010)
    fill(node, [(ledger, transactions) for ledger in range(2000, 2006)])
    node.events = [
        event(Position(ledger, order + 1, 0, 0))
        for ledger in range(2000, 2004)
        for order in range(events)
    ]
    return node


def client_of(
    handler: Callable[[httpx.Request], httpx.Response], attempts: int = 1, **settings: Any
) -> RpcClient:
    """A client that never sleeps, with a breaker that never opens by default."""
    defaults: dict[str, Any] = {
        "retry": RetrySettings(attempts=attempts),
        "breaker": BreakerSettings(failure_threshold=1000, wait_s=0),
        "sleep": lambda seconds: None,
        "transport": httpx.MockTransport(handler),
    }
    return RpcClient(URL, **{**defaults, **settings})


def json_handler(
    result: Any = None, error: Any = None
) -> Callable[[httpx.Request], httpx.Response]:
    """Answer every single call with the same result or error."""

    def handle(request: httpx.Request) -> httpx.Response:
        reply = {"jsonrpc": "2.0", "id": json.loads(request.content)["id"]}
        body = {"error": error} if error else {"result": result}
        return httpx.Response(200, json=reply | body)

    return handle
