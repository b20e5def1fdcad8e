"""What every source promises (`sources.source`), on real ledgers: nothing lost, nothing twice.

A source that is added gets a place in `SOURCES`; its items must be those that the recording
holds. Expected values are read from the recording itself, not from the program.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sorobanflow.devnet import Chain, DevnetServer, Recording, parse_faults
from sorobanflow.errors import ClientStoppedError, LedgerOutsideRetentionError, RetriableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.sources.rpc.planner import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.retry import RetrySettings
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.source import Source
from tests.fetch_range import FetchedBatch, fetch_range

ANYTHING = EventFilter(topics=(("**",),))


class Kind(NamedTuple):
    """A way to read from a node; `filtered` gives only transactions that have events."""

    plan: FetchPlan
    filtered: bool = False


SOURCES = {
    "rpc, by ledgers": Kind("ledgers"),
    "rpc, filtered, by ledgers": Kind("ledgers", filtered=True),
    "rpc, filtered, by hashes": Kind("hashes", filtered=True),
}


class Recorded(NamedTuple):
    """What the first ledgers of the recording hold: hashes of transactions, in chain order."""

    ledgers: LedgerRange
    transactions: list[str]


@pytest.fixture(scope="module")
def path(recording_path: Callable[[str], Path]) -> Path:
    return recording_path("applyload-10048")


@pytest.fixture(scope="module")
def chain(path: Path) -> Chain:
    return Chain(Recording(path))


@pytest.fixture(scope="module")
def recorded(path: Path) -> Recorded:
    with gzip.open(path, "rt") as lines:
        next(lines)
        ledgers = [json.loads(line) for line in lines][:4]
    rows = [
        row
        for ledger in ledgers
        for row in sorted(ledger["transactions"], key=lambda one: one["application_order"])
    ]
    numbers = [ledger["ledger"] for ledger in ledgers]
    return Recorded(LedgerRange(numbers[0], numbers[-1]), [row["hash"] for row in rows])


@contextmanager
def open_source(chain: Chain, kind: Kind, faults: str = "") -> Iterator[Source]:
    event_filter = ANYTHING if kind.filtered else None
    planner = TransactionPlanner(kind.plan, kind.filtered, workers=3, batch_calls=20)
    with (
        DevnetServer(chain, faults=parse_faults(faults)) as server,
        RpcClient(server.url, retry=RetrySettings(attempts=1)) as client,
    ):
        yield RpcSource(client, client.get_network().passphrase, event_filter, planner)


@pytest.fixture(params=SOURCES)
def kind(request: pytest.FixtureRequest) -> Kind:
    return SOURCES[request.param]


def hashes(batches: list[FetchedBatch]) -> list[str]:
    items = [item for batch in batches for item in batch.transactions]
    assert all(isinstance(item, Transaction) for item in items)
    return [item.tx_hash for item in items if isinstance(item, Transaction)]


def event_ids(batches: list[FetchedBatch]) -> list[str]:
    return [item.id for batch in batches for item in batch.events if isinstance(item, Event)]


def test_source_gives_every_item_once_and_in_chain_order(
    kind: Kind, chain: Chain, recorded: Recorded
) -> None:
    with open_source(chain, kind) as source:
        batches = [*fetch_range(source, recorded.ledgers, 1_000_000)]
    events = event_ids(batches)
    assert events == sorted(set(events))
    named = {item.tx_hash for batch in batches for item in batch.events if isinstance(item, Event)}
    wanted = [name for name in recorded.transactions if not kind.filtered or name in named]
    assert sorted(hashes(batches)) == sorted(wanted)
    if not kind.filtered:
        assert hashes(batches) == wanted
    assert len(wanted) > 1000


def test_source_batches_are_a_partition_of_the_range(
    kind: Kind, chain: Chain, recorded: Recorded
) -> None:
    with open_source(chain, kind) as source:
        (whole,) = fetch_range(source, recorded.ledgers, 1_000_000)
        batches = [*fetch_range(source, recorded.ledgers, 10)]
    assert [batch.ledgers for batch in batches] == [
        LedgerRange(ledger, ledger)
        for ledger in range(recorded.ledgers.first, recorded.ledgers.last + 1)
    ]
    assert event_ids(batches) == event_ids([whole])
    assert sorted(hashes(batches)) == sorted(hashes([whole]))


def test_source_step_runs_again_after_an_error_and_loses_nothing(
    kind: Kind, chain: Chain, recorded: Recorded
) -> None:
    faults = "getEvents:1=503,getTransactions:2=truncate,getTransaction:2=drop"
    with open_source(chain, kind) as source:
        (whole,) = fetch_range(source, recorded.ledgers, 1_000_000)
    with open_source(chain, kind, faults) as source:
        batch, errors = source.begin_batch(recorded.ledgers, 1_000_000), 0
        found: list[Any] = []
        while steps := batch.next_steps():
            for step in steps:
                for _ in range(3):
                    try:
                        step.run()
                        break
                    except RetriableError:
                        errors += 1
                items = step.take()
                found += [*items.events, *items.transactions]
    assert errors >= 1
    assert sorted(item.tx_hash for item in found if isinstance(item, Transaction)) == sorted(
        hashes([whole])
    )
    assert [item.id for item in found if isinstance(item, Event)] == event_ids([whole])


def test_source_step_says_what_it_fetched(kind: Kind, chain: Chain, recorded: Recorded) -> None:
    with open_source(chain, kind) as source:
        batch = source.begin_batch(recorded.ledgers, 1_000_000)
        kinds: list[str] = []
        events = transactions = 0
        while steps := batch.next_steps():
            for step in steps:
                kinds.append(step.kind)
                fetched, items = step.run(), step.take()
                assert fetched.events == len(items.events)
                assert fetched.transactions >= len(items.transactions)
                assert (fetched.size_bytes > 0) is any(fetched[:2])
                events, transactions = events + fetched.events, transactions + fetched.transactions
                assert step.take() == ([], [])
    assert kinds[0] == "fetch-events"
    assert {*kinds[1:]} == {"fetch-transactions"}
    assert min(events, transactions) > 0


def test_source_refuses_a_ledger_that_it_does_not_have(
    kind: Kind, chain: Chain, recorded: Recorded
) -> None:
    first = recorded.ledgers.first
    with open_source(chain, kind) as source, pytest.raises(LedgerOutsideRetentionError):
        list(fetch_range(source, LedgerRange(first - 5, first), 1_000_000))


def test_source_that_is_stopped_refuses_to_fetch(
    kind: Kind, chain: Chain, recorded: Recorded
) -> None:
    with open_source(chain, kind) as source:
        source.stop()
        with pytest.raises(ClientStoppedError):
            list(fetch_range(source, recorded.ledgers, 1_000_000))
