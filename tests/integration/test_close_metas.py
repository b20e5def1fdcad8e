"""Whole ledgers are read as stellar-sdk reads them, and give what a node gives of them.

All real ledgers pass every proof but the two whose maker joined ledgers. How changed ledgers are
refused stands in `tests/property/test_ledger_tampering.py`.
"""

import gzip
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import msgspec
import pytest
from zstandard import ZstdDecompressor

from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.entry_types import KEYS
from sorobanflow.decode.transactions import network_id
from sorobanflow.devnet import Chain, DevnetServer, Recording
from sorobanflow.errors import LedgerProofError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Event, LedgerObject, Malformed
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from tests.fetch_range import fetch_range
from tests.integration.core_ledgers import CoreLedger, read_core
from tests.integration.ledger_oracle import sdk_ledger
from tests.whole_ledgers import (
    CORE_PASSPHRASE,
    PASSPHRASES,
    TESTNET,
    WholeLedger,
    framed_ledgers,
    one_object,
)


def read_one(ledger: WholeLedger, passphrase: str) -> CloseMeta:
    [meta] = read_object(one_object(ledger), network_id(passphrase))
    return meta


def counted(meta: CloseMeta) -> Iterator[str]:
    yield from ("ledgers", f"protocol {meta.header.protocol}")
    yield from ["transactions"] * len(meta.transactions)
    yield from (f"{event.type} events" for event in meta.events)
    yield from ["fee changes"] * sum(len(fees.before) for fees in meta.fees)
    yield from ["refunds"] * sum(len(fees.after) for fees in meta.fees)
    yield from (change.type for one in meta.upgrades for change in one.changes)
    kinds = (KEYS[int.from_bytes(key[:4])] for key in meta.evicted)
    yield from (f"evicted {name}" for name, _ in kinds)


def test_all_ledgers_of_core_pass_every_proof(test_data: Path) -> None:
    seen = Counter(name for core in read_core(test_data) for name in counted(core.meta))
    assert seen == {
        "ledgers": 3653,
        "protocol 20": 15,
        "protocol 21": 2,
        "protocol 23": 371,
        "protocol 26": 2994,
        "protocol 27": 271,
        "transactions": 3109,
        "contract events": 184,
        "fee changes": 3109,
        "refunds": 1935,
        "evicted contract_data": 10,
        "evicted contract_code": 2,
        "evicted ttl": 12,
    }


def check_with_sdk(ledger: WholeLedger, meta: CloseMeta, passphrase: str) -> None:
    expected = sdk_ledger(ledger.xdr, passphrase)
    for field in CloseMeta._fields:
        assert getattr(meta, field) == getattr(expected, field), (ledger.name, field)


def is_rare(core: CoreLedger) -> bool:
    """Most ledgers are of the newest form, and hold neither events nor evictions."""
    return core.ledger.xdr[3] < 2 or bool(core.meta.events or core.meta.evicted)


@pytest.mark.parametrize("step", [40, pytest.param(1, marks=pytest.mark.long)])
def test_ledgers_of_core_read_as_stellar_sdk_reads_them(test_data: Path, step: int) -> None:
    ledgers = read_core(test_data)
    sample = [core for at, core in enumerate(ledgers) if at % step == 0 or is_rare(core)]
    assert len(sample) > 150
    for core in sample:
        check_with_sdk(core.ledger, core.meta, CORE_PASSPHRASE)


@pytest.mark.parametrize(
    "stem",
    [
        "loadtest-v23",
        "pubnet-63092990",
        pytest.param("pubnet-51000294", marks=pytest.mark.long),
        pytest.param("applyload-10048", marks=pytest.mark.long),
    ],
)
def test_ledgers_read_as_stellar_sdk_reads_them(test_data: Path, stem: str) -> None:
    ledgers = framed_ledgers(test_data, stem)
    for ledger in islice(ledgers, 1 if stem == "loadtest-v23" else None):
        check_with_sdk(ledger, read_one(ledger, PASSPHRASES[stem]), PASSPHRASES[stem])


def test_only_the_joined_ledgers_of_the_load_test_are_refused(test_data: Path) -> None:
    whole, *joined = framed_ledgers(test_data, "loadtest-v23")
    assert Counter(counted(read_one(whole, ""))) == {"ledgers": 1, "protocol 23": 1, "account": 200}
    refused = []
    for ledger in joined:
        with pytest.raises(LedgerProofError) as error:
            read_one(ledger, "")
        refused.append((error.value.ledger, error.value.check, error.value.origin))
    assert refused == [(85, "results", "loadtest-v23 #2"), (88, "results", "loadtest-v23 #3")]


def test_a_real_lake_is_read(test_data: Path) -> None:
    folder, metas = test_data / "lakes" / "testbucket" / "FFFFFFFF--0-63999", []
    for path in sorted(folder.iterdir(), reverse=True):
        number = int(path.name.removesuffix(".xdr.zst").partition("--")[2])
        named = LedgerObject(path.name, LedgerRange(number, number), path.read_bytes(), True)
        [meta] = read_object(named, network_id(TESTNET))
        ledger = ZstdDecompressor().decompress(named.data)[12:]
        check_with_sdk(WholeLedger(path.name, ledger), meta, TESTNET)
        metas.append(meta)
    assert [meta.header.sequence for meta in metas] == [997, 998, 999]
    for before, after in pairwise(metas):
        assert after.header.previous_hash == before.header.hash


class Recorded:
    """The first ledgers of a recording, as whole ledgers and as the recording states them."""

    def __init__(self, path: Path, ledgers: Iterator[WholeLedger], passphrase: str) -> None:
        self.path = path
        # The load generator's ledgers have no close times; those of its recording are made.
        self.has_made_times = "applyload" in path.name
        self.metas = [read_one(ledger, passphrase) for ledger in ledgers]
        with gzip.open(path, "rt") as lines:
            self.stated = [json.loads(line) for line in islice(lines, 1, len(self.metas) + 1)]


@pytest.fixture(
    scope="module",
    params=[
        ("pubnet-51000294", 1),
        ("pubnet-63092990", 1),
        ("applyload-10048", 2),
        pytest.param(("applyload-10048", 30), marks=pytest.mark.long),
    ],
)
def recorded(
    request: pytest.FixtureRequest, test_data: Path, recording_path: Callable[[str], Path]
) -> Recorded:
    stem, count = request.param
    ledgers = islice(framed_ledgers(test_data, stem), count)
    return Recorded(recording_path(stem), ledgers, PASSPHRASES[stem])


def as_read(name: str, value: str) -> str | bytes:
    return b64decode(value) if name.endswith("_xdr") else value


def test_transactions_are_those_of_the_recording(recorded: Recorded) -> None:
    for meta, ledger in zip(recorded.metas, recorded.stated, strict=True):
        given = [msgspec.structs.asdict(transaction) for transaction in meta.transactions]
        stated = [
            {"ledger": ledger["ledger"], "created_at": meta.header.closed_at}
            | {FIELDS.get(name, name): as_read(name, value) for name, value in row.items()}
            for row in ledger["transactions"]
        ]
        assert given == stated
        assert meta.header.protocol == ledger["protocol"]
        assert meta.header.closed_at == (0 if recorded.has_made_times else ledger["close_time"])


FIELDS = {"hash": "tx_hash"}


def test_events_are_those_that_a_node_serves(recorded: Recorded) -> None:
    given = [event for meta in recorded.metas for event in meta.events]
    ledgers = LedgerRange(recorded.metas[0].header.sequence, recorded.metas[-1].header.sequence)
    planner = TransactionPlanner("ledgers", False, workers=1, batch_calls=20)
    chain = Chain(Recording(recorded.path))
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        source = RpcSource(client, client.get_network().passphrase, None, planner)
        served = [event for batch in fetch_range(source, ledgers, 10**6) for event in batch.events]
    if recorded.has_made_times:
        served = [made_at(event, "1970-01-01T00:00:00Z") for event in served]
    assert given == served
    assert len(given) > 500


def made_at(event: Event | Malformed, closed_at: str) -> Event:
    assert isinstance(event, Event)
    return msgspec.structs.replace(event, ledger_closed_at=closed_at)
