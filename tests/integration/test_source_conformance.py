"""What every source promises (`sources.source`), on real ledgers: nothing lost, nothing twice.

A source that is added gets a place in `SOURCES`; its items must be those that the recording
holds, and whole ledgers must hold those. Expected values are read from the recording itself,
not from the program.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.transactions import network_id
from sorobanflow.devnet import (
    Chain,
    ChainLake,
    DevnetServer,
    LakeServer,
    LedgerFile,
    Recording,
    parse_faults,
)
from sorobanflow.errors import (
    ClientStoppedError,
    LedgerMissingError,
    LedgerOutsideRetentionError,
    RetriableError,
)
from sorobanflow.ledgers import LedgerRange, split
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, LedgerObject, Transaction
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.opening import open_lake, open_store
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.rpc.whole_ledgers import LedgersSource
from sorobanflow.sources.source import FetchedItems, Source, fetch_batch
from tests.fetch_range import FetchedBatch

OpenSource = Callable[..., AbstractContextManager[Source]]

APPLY_LOAD = "Apply Load"
_decoded: dict[tuple[str, bytes], list[CloseMeta]] = {}
ANYTHING = EventFilter(topics=(("**",),))


class Kind(NamedTuple):
    """A way to read; `filtered` gives only transactions that have events.

    `faults` are some that a step of it meets. Whole ledgers have no plan; in a lake they are
    `lake_batch` to an object.
    """

    faults: str
    plan: FetchPlan | None = None
    filtered: bool = False
    lake_batch: int = 0


SOURCES = {
    "rpc, by ledgers": Kind("getEvents:1=503,getTransactions:2=truncate", "ledgers"),
    "rpc, filtered, by ledgers": Kind(
        "getTransactions:2=truncate,getEvents:1=503", "ledgers", filtered=True
    ),
    "rpc, filtered, by hashes": Kind(
        "getEvents:1=503,getTransaction:2=drop", "hashes", filtered=True
    ),
    "whole ledgers of a node": Kind("getLedgers:2=truncate,getLedgers:3=503"),
    "lake": Kind("object:2=truncate,object:3=503", lake_batch=1),
    "lake, several ledgers in an object": Kind("object:1=503", lake_batch=4),
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
def whole_chain(test_data: Path) -> Chain:
    """The ledgers of the same recording, whole."""
    return Chain(LedgerFile(test_data / "ledgers" / "applyload-10048.xdr.zst", APPLY_LOAD))


@pytest.fixture(scope="module")
def recorded(path: Path) -> Recorded:
    with gzip.open(path, "rt") as lines:
        next(lines)
        ledgers = [json.loads(line) for line in lines][:3]
    rows = [
        row
        for ledger in ledgers
        for row in sorted(ledger["transactions"], key=lambda one: one["application_order"])
    ]
    numbers = [ledger["ledger"] for ledger in ledgers]
    return Recorded(LedgerRange(numbers[0], numbers[-1]), [row["hash"] for row in rows])


@pytest.fixture
def open_source(chain: Chain, whole_chain: Chain, kind: Kind) -> OpenSource:
    if kind.lake_batch:
        return partial(_open_lake, ChainLake(whole_chain, kind.lake_batch))
    return partial(_open_node, chain if kind.plan else whole_chain, kind)


@contextmanager
def _open_node(chain: Chain, kind: Kind, faults: str = "") -> Iterator[Source]:
    with (
        DevnetServer(chain, faults=parse_faults(faults)) as server,
        RpcClient(server.url, retry=RetrySettings(attempts=1)) as client,
    ):
        passphrase = client.get_network().passphrase
        if kind.plan is None:
            yield LedgersSource(client, passphrase)
            return
        planner = TransactionPlanner(kind.plan, kind.filtered, workers=3, batch_calls=20)
        yield RpcSource(client, passphrase, ANYTHING if kind.filtered else None, planner)


@contextmanager
def _open_lake(lake: ChainLake, faults: str = "") -> Iterator[Source]:
    with LakeServer(lake, faults=parse_faults(faults)) as server:
        store = open_store(server.url, {}, HttpSettings())
        with LakeClient(store, 3, retry=RetrySettings(attempts=1)) as client:
            yield open_lake(client)


@pytest.fixture(params=SOURCES)
def kind(request: pytest.FixtureRequest) -> Kind:
    return SOURCES[request.param]


def read(source: Source, ledgers: LedgerRange, max_events: int) -> list[FetchedBatch]:
    """Fetch a range; the items that whole ledgers hold take their place."""
    batches: list[FetchedBatch] = []
    rest: LedgerRange | None = ledgers
    while rest is not None:
        batch = source.begin_batch(rest, max_events)
        items = fetch_batch(batch)  # which may end the batch earlier
        batches.append(_with_items(source, batch.ledgers, items))
        rest = batch.rest
    return batches


def _with_items(source: Source, ledgers: LedgerRange, items: FetchedItems) -> FetchedBatch:
    events, transactions = [*items.events], [*items.transactions]
    for meta in _whole_ledgers(source, items.objects):
        if ledgers.holds(meta.header.sequence):
            events += meta.events
            transactions += meta.transactions
    return FetchedBatch(ledgers, events, transactions)


def _whole_ledgers(source: Source, objects: Iterable[LedgerObject]) -> Iterator[CloseMeta]:
    for one in objects:
        key = one.name, one.data
        if key not in _decoded:
            _decoded[key] = [*read_object(one, network_id(source.passphrase))]
        yield from _decoded[key]


def hashes(batches: list[FetchedBatch]) -> list[str]:
    items = [item for batch in batches for item in batch.transactions]
    assert all(isinstance(item, Transaction) for item in items)
    return [item.tx_hash for item in items if isinstance(item, Transaction)]


def event_ids(batches: list[FetchedBatch]) -> list[str]:
    return [item.id for batch in batches for item in batch.events if isinstance(item, Event)]


def test_source_gives_every_item_once_and_in_chain_order(
    kind: Kind, open_source: OpenSource, recorded: Recorded
) -> None:
    with open_source() as source:
        batches = read(source, recorded.ledgers, 1_000_000)
    events = event_ids(batches)
    assert events == sorted(set(events))
    named = {item.tx_hash for batch in batches for item in batch.events if isinstance(item, Event)}
    wanted = [name for name in recorded.transactions if not kind.filtered or name in named]
    assert sorted(hashes(batches)) == sorted(wanted)
    if not kind.filtered:
        assert hashes(batches) == wanted
    assert len(wanted) > 1000


def test_source_batches_are_a_partition_of_the_range(
    kind: Kind, open_source: OpenSource, recorded: Recorded
) -> None:
    with open_source() as source:
        (whole,) = read(source, recorded.ledgers, 1_000_000)
        batches = read(source, recorded.ledgers, 10)
    size = 1 if kind.plan else recorded.ledgers.size  # whole ledgers cannot be counted before
    assert [batch.ledgers for batch in batches] == split([recorded.ledgers], size)
    assert event_ids(batches) == event_ids([whole])
    assert sorted(hashes(batches)) == sorted(hashes([whole]))


def test_source_step_runs_again_after_an_error_and_loses_nothing(
    kind: Kind, open_source: OpenSource, recorded: Recorded
) -> None:
    with open_source() as source:
        (whole,) = read(source, recorded.ledgers, 1_000_000)
    with open_source(kind.faults) as source:
        batch, errors = source.begin_batch(recorded.ledgers, 1_000_000), 0
        found: tuple[list[Any], ...] = [], [], []
        while steps := batch.next_steps():
            for step in steps:
                for _ in range(3):
                    try:
                        step.run()
                        break
                    except RetriableError:
                        errors += 1
                for mine, items in zip(found, step.take(), strict=True):
                    mine += items
        again = _with_items(source, recorded.ledgers, FetchedItems(*found))
    assert errors >= 1
    assert sorted(hashes([again])) == sorted(hashes([whole]))
    assert event_ids([again]) == event_ids([whole])


def test_source_step_says_what_it_fetched(
    kind: Kind, open_source: OpenSource, recorded: Recorded
) -> None:
    with open_source() as source:
        batch = source.begin_batch(recorded.ledgers, 1_000_000)
        kinds: list[str] = []
        found = 0
        while steps := batch.next_steps():
            for step in steps:
                kinds.append(step.kind)
                fetched, items = step.run(), step.take()
                assert fetched.events == len(items.events)
                assert fetched.transactions >= len(items.transactions)
                assert (fetched.size_bytes > 0) is any(items)
                found += sum(map(len, items))
                assert not any(step.take())
    if kind.plan:
        assert kinds[0] == "fetch-events"
        assert {*kinds[1:]} == {"fetch-transactions"}
    else:
        assert {*kinds} == {"fetch-ledgers"}
    assert found > 0


def test_source_refuses_a_ledger_that_it_does_not_have(
    open_source: OpenSource, recorded: Recorded
) -> None:
    first = recorded.ledgers.first
    lost = (LedgerOutsideRetentionError, LedgerMissingError)
    with open_source() as source, pytest.raises(lost):
        read(source, LedgerRange(first - 5, first), 1_000_000)


def test_source_says_which_ledgers_it_has(open_source: OpenSource, recorded: Recorded) -> None:
    first, last = recorded.ledgers
    with open_source() as source:
        assert source.available(recorded.ledgers)[:2] in {(first, last), (first, first + 29)}
        available = source.available(LedgerRange(first - 5, last))
        assert available.oldest == first
        assert available.newest >= last


def test_source_that_is_stopped_refuses_to_fetch(
    open_source: OpenSource, recorded: Recorded
) -> None:
    with open_source() as source:
        source.stop()
        with pytest.raises(ClientStoppedError):
            read(source, recorded.ledgers, 1_000_000)
