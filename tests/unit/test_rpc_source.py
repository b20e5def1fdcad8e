import json
from base64 import b64decode

import httpx
import pytest

from sorobanflow.errors import RpcUnavailableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.sources.rpc.planner import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.source import RpcBatchFetch, RpcSource
from sorobanflow.toid import Position
from tests.fetch_range import FetchedBatch, fetch_range
from tests.unit.rpc_node import Node, client_of, node_of, tx_hash

FILTER = EventFilter(topics=(("*", "**"),))
LEDGERS = LedgerRange(2000, 2003)


def source_of(
    node: Node, event_filter: EventFilter | None = None, plan: FetchPlan = "auto"
) -> RpcSource:
    planner = TransactionPlanner(plan, event_filter is not None, workers=2, batch_calls=50)
    return RpcSource(client_of(node), "Test Network", event_filter, planner)


def fetch(source: RpcSource, max_events: int = 10_000) -> list[FetchedBatch]:
    return [*fetch_range(source, LEDGERS, max_events)]


def hashes(batch: FetchedBatch) -> list[str]:
    return [item.tx_hash for item in batch.transactions if isinstance(item, Transaction)]


def run_round(batch: RpcBatchFetch) -> list[str]:
    """Run a round of steps; gives their kinds and labels."""
    steps = batch.next_steps()
    for step in steps:
        step.run()
        step.take()
    return [f"{step.kind} {step.label}" for step in steps]


def test_source_gives_events_then_transactions_in_rounds_of_steps() -> None:
    batch = source_of(node_of(3, 3)).begin_batch(LEDGERS, 10_000)
    assert (batch.ledgers, batch.rest) == (LEDGERS, None)
    assert run_round(batch) == ["fetch-events 2000-2003"]
    assert run_round(batch) == ["fetch-transactions 2000-2003"]
    assert run_round(batch) == []


def test_source_step_says_in_figures_what_it_fetched() -> None:
    batch = source_of(node_of(3, 2)).begin_batch(LEDGERS, 10_000)
    (events,) = batch.next_steps()
    assert events.run() == (8, 0, 8 * len(b64decode("AAAA")))
    assert [type(item) for item in events.take().events] == [Event] * 8
    assert not any(events.take())  # handed over, and not kept
    (chunk,) = batch.next_steps()
    assert chunk.run() == (0, 12, 12 * 2 * 3)  # "AAAA" is three bytes
    assert len(chunk.take().transactions) == 12
    assert not any(chunk.take())


def test_source_batch_that_is_full_leaves_the_rest() -> None:
    node = node_of(3, 3)
    node.silent_cap = 7
    batch = source_of(node).begin_batch(LEDGERS, 5)
    run_round(batch)
    # The page of seven ends after the first event of ledger 2002.
    assert (batch.ledgers, batch.rest) == (LedgerRange(2000, 2001), LedgerRange(2002, 2003))
    assert run_round(batch) == ["fetch-transactions 2000-2001"]


def test_source_batches_of_a_full_range_are_a_partition() -> None:
    node = node_of(3, 3)
    node.silent_cap = 4
    batches = fetch(source_of(node), max_events=1)
    assert len(batches) > 1
    events = [item.id for batch in batches for item in batch.events if isinstance(item, Event)]
    assert events == [row["id"] for row in node.events]
    assert [name for batch in batches for name in hashes(batch)] == [
        row["txHash"] for row in node.transactions if row["ledger"] <= 2003
    ]


def test_source_step_continues_where_an_error_stopped_it() -> None:
    node = node_of(3, 3)
    node.silent_cap = 5
    node.before = lambda number: httpx.Response(503) if number == 3 else None
    (step,) = source_of(node).begin_batch(LEDGERS, 1000).next_steps()
    with pytest.raises(RpcUnavailableError):
        step.run()
    assert step.run().events == 12
    assert [params["pagination"].get("cursor") for _, params in node.calls] == [
        None,
        Position(2001, 2, 0, 0).event_id,
        Position(2003, 1, 0, 0).event_id,
    ]


def test_source_filtered_asks_for_the_filter() -> None:
    node = node_of(1, 1)
    fetch(source_of(node, FILTER))
    assert node.calls[0][1]["filters"] == [{"topics": [["*", "**"]]}]


@pytest.mark.parametrize("plan", ["ledgers", "hashes"])
def test_source_filtered_gives_the_transactions_of_the_events_only(plan: FetchPlan) -> None:
    (batch,) = fetch(source_of(node_of(3, 1), FILTER, plan))
    assert sorted(hashes(batch)) == [tx_hash(ledger, 1) for ledger in range(2000, 2004)]


def test_source_filtered_without_matching_events_ends_with_the_events() -> None:
    node = node_of(3, 0)
    batch = source_of(node, FILTER).begin_batch(LEDGERS, 1000)
    assert run_round(batch) == ["fetch-events 2000-2003"]
    assert run_round(batch) == []


def test_source_unfiltered_gives_transactions_without_events() -> None:
    (batch,) = fetch(source_of(node_of(3, 0)))
    assert len(hashes(batch)) == 12


def missing_steps(first_transaction: str | None) -> list[str]:
    """Fetch from a node whose pages lack the first transaction, or have it in this form."""
    node, whole = node_of(2, 2), node_of(2, 2)

    def answer(request: httpx.Request) -> httpx.Response:
        call = json.loads(request.content)
        asked = isinstance(call, dict) and call["method"] == "getTransactions"
        reply = (node if asked else whole)(request)
        if not asked or first_transaction is None:
            return reply
        text = reply.text.replace('"transactions":[', f'"transactions":[{first_transaction},', 1)
        return httpx.Response(200, text=text)

    node.transactions = [row for row in node.transactions if row["txHash"] != tx_hash(2000, 1)]
    planner = TransactionPlanner("ledgers", True, workers=1, batch_calls=50)
    batch = RpcSource(client_of(answer), "", FILTER, planner).begin_batch(LEDGERS, 1000)
    run_round(batch)
    run_round(batch)
    return run_round(batch)


def test_source_asks_by_hash_for_what_no_chunk_brought() -> None:
    assert missing_steps(None) == [f"fetch-transactions 2000-2000:{tx_hash(2000, 1)[:8]}"]


@pytest.mark.parametrize(
    ("payload", "asked"),
    [
        (json.dumps({"txHash": tx_hash(2000, 1), "ledger": []}), False),
        (json.dumps({"txHash": tx_hash(2000, 1).upper()}), False),
        (json.dumps({"txHash": tx_hash(7, 7)}), True),
        (json.dumps({"txHash": 5}), True),
        ("[]", True),
    ],
)
def test_source_does_not_ask_again_for_what_came_malformed(payload: str, asked: bool) -> None:
    assert bool(missing_steps(payload)) is asked
