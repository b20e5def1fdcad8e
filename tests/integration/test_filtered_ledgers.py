"""What a filter selects of whole ledgers is what a node selects, and what is skipped is linked."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from stellar_sdk import StrKey

from sorobanflow.audit.agreement import fetch_rows
from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.event_search import EventSearch
from sorobanflow.decode.transactions import network_id
from sorobanflow.devnet import Chain, DevnetServer, Generator, Recording
from sorobanflow.devnet.supply import LedgerSupply
from sorobanflow.errors import DecodeError, LedgerProofError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import LedgerObject
from sorobanflow.sources.rpc.client import RpcClient
from tests.integration.index_all import source_of
from tests.integration.index_whole import objects_of
from tests.integration.left_open import as_a_node_tells
from tests.integration.test_whole_ledgers_conformance import EPOCH
from tests.ledgers import generated
from tests.unit.wire_items import scval, symbol
from tests.whole_ledgers import PASSPHRASES, framed_ledgers, one_object, pack

LEDGERS = LedgerRange(1, 24)
NETWORK = network_id(generated().network.passphrase)
TRANSFER, FEE = scval(symbol("transfer")), scval(symbol("fee"))
#: A contract without events; its checksum is right.
NOWHERE = EventFilter(("CAAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQC526",))


def filters_of(supply: LedgerSupply, ledgers: LedgerRange) -> dict[str, EventFilter]:
    """Make filters of what ledgers hold; all but the last select some of it."""
    numbers = range(ledgers.first, ledgers.last + 1)
    events = [one.event for n in numbers for one in supply.ledger(n).events]
    by_count = Counter(one.contract for one in events if one.contract).most_common()
    contracts = [StrKey.encode_contract(contract) for contract, _ in by_count]
    topics = Counter(one.topics for one in events).most_common()
    often, seldom = (tuple(b64encode(one).decode() for one in topics[at][0]) for at in (0, -1))
    return {
        "rare contract": EventFilter((contracts[-1],)),
        "two contracts": EventFilter((contracts[-1], contracts[len(contracts) // 2])),
        "name": EventFilter(topics=((TRANSFER, "*", "**"),)),
        "exact topics": EventFilter(topics=(seldom or ("*",), often)),
        "only wildcards": EventFilter(topics=(("*", "*", "*"),)),
        "later segment": EventFilter(topics=((*["*"] * (len(often) - 1), often[-1], "**"),)),
        "contract and topic": EventFilter((contracts[0],), ((FEE, "**"), (TRANSFER, "*", "**"))),
        "everything": EventFilter(topics=(("**",),)),
        "nothing": NOWHERE,
    }


GENERATED = filters_of(generated(), LEDGERS)


@pytest.fixture(scope="module")
def node() -> Iterator[RpcClient]:
    chain = Chain(generated(), closed=LEDGERS.last)
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        yield client


def selected(
    event_filter: EventFilter, objects: Sequence[LedgerObject], passphrase: str
) -> BatchRows:
    ledgers = LedgerRange(objects[0].ledgers.first, objects[-1].ledgers.last)
    return make_rows(ledgers, [], [], passphrase, objects=objects, event_filter=event_filter)


def in_batches(objects: Sequence[LedgerObject], size: int) -> list[LedgerObject]:
    """Put whole ledgers into objects of a lake."""
    parts = [objects[at : at + size] for at in range(0, len(objects), size)]
    return [batch_of(part) for part in parts]


def batch_of(part: Sequence[LedgerObject]) -> LedgerObject:
    held = LedgerRange(part[0].ledgers.first, part[-1].ledgers.last)
    data = pack(held, [one.data for one in part])
    return LedgerObject(f"object {held}", held, data, is_batch=True)


def check(client: RpcClient, event_filter: EventFilter, whole: BatchRows) -> int:
    """Compare all rows with those of a node's filtered stream; gives how many there are."""
    told = fetch_rows(source_of(client, event_filter), whole.ledgers)
    assert told.ledgers == whole.ledgers
    known = whole.by_table()
    known["transactions"] = as_a_node_tells(told.transactions, whole.transactions)
    for table, rows in told.by_table().items():
        assert _undated(rows) == _undated(known[table]), table
    assert told.closed_at.keys() == whole.closed_at.keys()
    assert (whole.headers, whole.is_whole) == ({}, False)
    return len(whole.events)


def _undated(rows: list[Any]) -> list[Any]:
    """Give rows without close times, which one recording lacks."""
    return [row._replace(closed_at=EPOCH) if "closed_at" in row._fields else row for row in rows]


@pytest.mark.parametrize(("name", "size"), [*zip(GENERATED, cycle((1, 4, None)))])
def test_generated_ledgers_give_a_node_s_rows(node: RpcClient, name: str, size: int | None) -> None:
    objects = objects_of(generated(), LEDGERS)  # as getLedgers gives them
    objects = in_batches(objects, size) if size else objects
    whole = selected(GENERATED[name], objects, generated().network.passphrase)
    assert (check(node, GENERATED[name], whole) > 0) == (name != "nothing")


@pytest.mark.parametrize(
    "stem",
    [
        "pubnet-51000294",
        "pubnet-63092990",
        pytest.param("applyload-10048", marks=pytest.mark.long),  # 15,000 transactions to load
    ],
)
def test_recorded_ledgers_give_a_node_s_rows(
    stem: str, recording_path: Callable[[str], Path], test_data: Path
) -> None:
    objects = [one_object(next(framed_ledgers(test_data, stem)))]
    supply = Recording(recording_path(stem))
    chain = Chain(supply, closed=1)
    filters = filters_of(supply, objects[0].ledgers)
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        for name in ("rare contract", "exact topics"):
            whole = selected(filters[name], objects, PASSPHRASES[stem])
            assert check(client, filters[name], whole) > 0


def read(object: LedgerObject, event_filter: EventFilter | None = NOWHERE) -> list[CloseMeta]:
    search = None if event_filter is None else EventSearch(event_filter)
    return [*read_object(object, NETWORK, search)]


def changed(object: LedgerObject, old: bytes, new: bytes) -> LedgerObject:
    """Change the first place of some bytes."""
    assert old in object.data
    return structs.replace(object, data=object.data.replace(old, new, 1))


@pytest.fixture
def ledgers() -> Sequence[LedgerObject]:
    return objects_of(generated(), LedgerRange(5, 8))


def test_skipped_ledger_is_not_walked(ledgers: Sequence[LedgerObject]) -> None:
    one = ledgers[0]
    [whole] = read(one, None)
    assert read(one) == [CloseMeta(whole.header, [], [], [], [], [])]
    cut = structs.replace(one, data=one.data[:700] + b"no ledger")
    assert read(cut) == read(one)
    with pytest.raises(DecodeError, match="ledger 5"):
        read(cut, None)
    # What is wanted is in it, so it is walked.
    with pytest.raises(DecodeError):
        read(structs.replace(cut, data=cut.data + StrKey.decode_contract(*NOWHERE.contract_ids)))


def test_ledgers_of_a_skipped_batch_are_linked(ledgers: Sequence[LedgerObject]) -> None:
    headers = [one.header for one in read(batch_of(ledgers), None)]
    assert [one.header for one in read(batch_of(ledgers))] == headers


def test_header_of_a_skipped_ledger_is_proved(ledgers: Sequence[LedgerObject]) -> None:
    [header] = [one.header for one in read(ledgers[1])]
    other = bytes.fromhex(header.previous_hash)
    with pytest.raises(LedgerProofError, match="header") as refused:
        read(changed(ledgers[1], other, other[::-1]))
    assert (refused.value.ledger, refused.value.check) == (6, "header")


def test_skipped_object_of_other_ledgers_is_refused(ledgers: Sequence[LedgerObject]) -> None:
    other = structs.replace(ledgers[1], data=ledgers[2].data)
    with pytest.raises(LedgerProofError, match="ledger 7 stands in its place"):
        read(other)
    held = LedgerRange(5, 8)
    few = LedgerObject("few", held, pack(held, [one.data for one in ledgers[:3]]), is_batch=True)
    with pytest.raises(LedgerProofError, match="states 3 ledgers"):
        read(few)


@pytest.mark.parametrize("size", [1, 4])
def test_skipped_ledgers_that_do_not_follow_each_other_are_refused(
    ledgers: Sequence[LedgerObject], size: int
) -> None:
    stranger = objects_of(Generator(9, transactions_per_ledger=1), LedgerRange(7, 7))
    broken = in_batches([*ledgers[:2], *stranger, ledgers[3]], size)
    with pytest.raises(LedgerProofError) as refused:
        selected(NOWHERE, broken, generated().network.passphrase)
    assert (refused.value.ledger, refused.value.check) == (7, "previous hash")


def test_skipped_ledger_that_is_missing_is_refused(ledgers: Sequence[LedgerObject]) -> None:
    with pytest.raises(DecodeError, match="ledger 6 is missing"):
        selected(NOWHERE, [ledgers[0], *ledgers[2:]], generated().network.passphrase)
