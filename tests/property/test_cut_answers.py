"""However a gateway cuts the node's answers, the walks read the same.

The devnet's own node answers, and the gateway between it and the client keeps some
of the items of any page, with the cursor of the last one kept, and some of the
members of any batch; or the answer comes from a node that is behind.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain as joined
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from sorobanflow.devnet import Chain, Generator, ListedLedgers
from sorobanflow.devnet.faults import Fault, FaultSchedule
from sorobanflow.devnet.jsonrpc import Dispatcher
from sorobanflow.devnet.node import Node
from sorobanflow.devnet.supply import Ledger
from sorobanflow.errors import RetriableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.events_walk import EventsWalk
from sorobanflow.sources.rpc.hash_chunk import HashChunk
from sorobanflow.sources.rpc.ledger_chunk import LedgerChunk
from sorobanflow.toid import MAX_TX, TxPosition
from tests.unit.rpc_node import client_of

T = TypeVar("T")

#: Transactions of the ledgers 1, 2, ...: busy, empty, and empty ones in a row.
COUNTS = (3, 0, 7, 1, 0, 0, 5, 2, 0)
PAGES = {"getEvents": "events", "getTransactions": "transactions"}
#: More than any drawn schedule lets fail.
MAX_TRIES = 100


class Cut(NamedTuple):
    """What happens to one answer.

    Attributes:
        items: Items kept of a page, or members of a batch.
        size: Bytes that the kept items have at most; the first is always kept.
        behind: Ledgers by which the answering node is behind.
    """

    items: int = 10_000
    size: int = 2**40
    behind: int = 0


class Cuts(NamedTuple):
    """What happens to the first answers, and to all later ones."""

    some: list[Cut]
    then: Cut


class Gateway:
    """A handler for `httpx.MockTransport`: the devnet's node, whose answers are cut."""

    def __init__(self, chain: Chain, cuts: Cuts) -> None:
        self._dispatcher = Dispatcher(self._call, FaultSchedule())
        self._node = Node(chain)
        self._cuts = joined(cuts.some, repeat(cuts.then))
        self._cut = Cut()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self._cut = next(self._cuts)
        answer = json.loads(self._dispatcher.answer(request.content).body)
        if isinstance(answer, list):
            return httpx.Response(200, json=answer[: self._cut.items])
        method = json.loads(request.content)["method"]
        if method in PAGES and "result" in answer:
            self._cut_page(answer["result"], PAGES[method])
        return httpx.Response(200, json=answer)

    def _call(self, name: str, params: object, faults: Sequence[Fault]) -> dict[str, Any]:
        behind = (Fault("*", "behind", amount=self._cut.behind),) if self._cut.behind else ()
        return self._node.call(name, params, (*faults, *behind))

    def _cut_page(self, page: dict[str, Any], name: str) -> None:
        items, size = page[name], 0
        kept: list[dict[str, Any]] = []
        for item in items[: max(1, self._cut.items)]:
            size += len(json.dumps(item))
            if kept and size > self._cut.size:
                break
            kept.append(item)
        if len(kept) < len(items):
            last = kept[-1]
            page["cursor"] = (
                last.get("id") or TxPosition(last["ledger"], last["applicationOrder"]).cursor
            )
            page[name] = kept


@cache
def source() -> ListedLedgers:
    generated = Generator(seed=5, transactions_per_ledger=max(COUNTS))
    ledgers = []
    for sequence, count in enumerate(COUNTS, start=1):
        whole = generated.ledger(sequence)
        kept = whole.transactions[:count]
        ledgers.append(Ledger(sequence, whole.close_time, whole.protocol, kept))
    return ListedLedgers(ledgers, 1, len(COUNTS), generated.network)


def until_done(walk: Callable[[], T]) -> T:
    """Try as a task is retried."""
    for _ in range(MAX_TRIES):
        try:
            return walk()
        except RetriableError:
            continue
    raise AssertionError(f"still not read after {MAX_TRIES} tries")


cut = st.builds(
    Cut,
    items=st.one_of(st.integers(0, 9), st.just(10_000)),
    size=st.one_of(st.integers(0, 30_000), st.just(2**40)),
    behind=st.sampled_from((0, 0, 0, 0, 1, 2, 8)),
)
lasting = st.builds(Cut, items=st.integers(1, 9), size=st.integers(0, 30_000), behind=st.just(0))
gateways = st.builds(Cuts, st.lists(cut, max_size=12), lasting)
closed_ledgers = st.integers(1, len(COUNTS))


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, LedgerRange]:
    """The number of closed ledgers, and a range of them that often ends at the tip."""
    closed = draw(closed_ledgers)
    first = draw(st.integers(1, closed))
    return closed, LedgerRange(first, draw(st.one_of(st.just(closed), st.integers(first, closed))))


def client_behind(closed: int, cuts: Cuts, **options: Any) -> RpcClient:
    return client_of(Gateway(Chain(source(), closed=closed), cuts), **options)


def ledgers_of(ledgers: LedgerRange) -> list[Ledger]:
    return [source().ledger(sequence) for sequence in range(ledgers.first, ledgers.last + 1)]


def hashes(found: Sequence[Transaction | Malformed]) -> list[str]:
    return [item.tx_hash if isinstance(item, Transaction) else item.error for item in found]


def ids(found: Sequence[Event | Malformed]) -> list[str]:
    return [item.id if isinstance(item, Event) else item.error for item in found]


@settings(max_examples=75, deadline=None)
@given(
    ranges(), gateways, st.integers(0, 8), st.one_of(st.integers(1, 8), st.just(MAX_TX)),
    st.integers(1, 12),
)  # fmt: skip
def test_cut_pages_lose_no_transaction(
    where: tuple[int, LedgerRange], cuts: Cuts, after: int, order: int, limit: int
) -> None:
    closed, ledgers = where
    start, end = (ledgers.first, after), (ledgers.last, order)
    chunk, client = LedgerChunk(start, end, limit), client_behind(closed, cuts)
    assert hashes(until_done(lambda: chunk.fetch(client))) == [
        each.hash
        for ledger in ledgers_of(ledgers)
        for each in ledger.transactions
        if start < (ledger.sequence, each.application_order) <= end
    ]


@settings(max_examples=50, deadline=None)
@given(ranges(), gateways, st.integers(1, 40), st.one_of(st.none(), st.integers(1, 40)))
def test_cut_pages_lose_no_event(
    where: tuple[int, LedgerRange], cuts: Cuts, limit: int, max_events: int | None
) -> None:
    closed, ledgers = where
    client = client_behind(closed, cuts)
    found: list[str] = []
    rest = ledgers
    while rest.size > 0:
        walk = EventsWalk(rest, limit=limit, max_events=max_events)
        read = until_done(lambda walk=walk: walk.read(client))  # type: ignore[misc]
        assert read.ledgers.first == rest.first
        found += ids(read.events)
        rest = LedgerRange(read.ledgers.last + 1, rest.last)
    assert found == [
        each.position.event_id for ledger in ledgers_of(ledgers) for each in ledger.events
    ]


@settings(max_examples=50, deadline=None)
@given(closed_ledgers, gateways, st.integers(1, 20))
def test_cut_batches_lose_no_transaction(closed: int, cuts: Cuts, batch_calls: int) -> None:
    wanted = [
        (each.hash, ledger.sequence)
        for ledger in ledgers_of(LedgerRange(1, closed))
        for each in ledger.transactions
    ]
    chunk, client = HashChunk(wanted, batch_calls), client_behind(closed, cuts, attempts=3)
    found = until_done(lambda: chunk.fetch(client))
    assert hashes(found) == [tx_hash for tx_hash, _ in wanted]
