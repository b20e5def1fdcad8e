"""Over HTTP, the devnet's base64 and its JSON decode to the same, for every recording."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sorobanflow.decode.events import decode_event
from sorobanflow.decode.forms import choose_form
from sorobanflow.decode.transactions import DecodedTransaction, decode_transaction
from sorobanflow.devnet import Chain, DevnetServer, Generator, Recording
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.fetch import HashChunk, LedgerChunk
from sorobanflow.sources.rpc.paging import EventsWalk
from sorobanflow.sources.rpc.wire import Event, Malformed, Transaction, XdrFormat
from sorobanflow.toid import MAX_TX
from tests.unit.wire_items import in_json

Corpus = Callable[[str], list[dict[str, Any]]]
XDR_PARTS = ("envelope_xdr", "result_xdr", "result_meta_xdr")
FORMS: tuple[XdrFormat, ...] = ("base64", "json")


@pytest.fixture
def serve() -> Iterator[Callable[[Chain], RpcClient]]:
    """Serve a chain until the test ends; gives a client of it."""
    opened: list[tuple[DevnetServer, RpcClient]] = []

    def start(chain: Chain) -> RpcClient:
        server = DevnetServer(chain)
        server.start()
        client = RpcClient(server.url)
        opened.append((server, client))
        return client

    yield start
    for server, client in opened:
        client.close()
        server.stop()


def transactions_of(client: RpcClient, ledgers: LedgerRange) -> list[Transaction]:
    chunk = LedgerChunk((ledgers.first, 0), (ledgers.last, MAX_TX))
    return [item for item in chunk.fetch(client) if not isinstance(item, Malformed)]


def events_of(client: RpcClient, ledgers: LedgerRange) -> list[Event]:
    return [item for item in EventsWalk(ledgers).read(client).events if isinstance(item, Event)]


def check_equal(base64: DecodedTransaction, json: DecodedTransaction) -> None:
    """Field by field, so that a failure shows the field."""
    assert json.envelope == base64.envelope
    assert json.result == base64.result
    assert json.meta.soroban_fees == base64.meta.soroban_fees
    assert json.meta.refunds == base64.meta.refunds
    for got, wanted in zip(json.meta.changes, base64.meta.changes, strict=True):
        assert got._asdict() == wanted._asdict()


@pytest.mark.parametrize(
    ("name", "ledgers", "transactions", "events"),
    [
        ("pubnet-30822015", 11, 650, 718),
        ("pubnet-51000294", 1, 541, 972),
        ("pubnet-63092990", 1, 236, 636),
        ("pubnet-63800060", 1, 50, 213),
        ("applyload-10048", 2, 984, 4820),
    ],
)
def test_recording_decodes_to_the_same(
    serve: Callable[[Chain], RpcClient],
    recording_path: Callable[[str], Path],
    name: str,
    ledgers: int,
    transactions: int,
    events: int,
) -> None:
    source = Recording(recording_path(name))
    client = serve(Chain(source, closed=ledgers))
    wanted = LedgerRange(source.first, source.first + ledgers - 1)
    fetched = {}
    for client.xdr_format in FORMS:
        fetched[client.xdr_format] = transactions_of(client, wanted), events_of(client, wanted)
    (rows64, events64), (rows, json_events) = fetched["base64"], fetched["json"]
    assert (len(rows), len(json_events)) == (transactions, events)
    for base64, json in zip(rows64, rows, strict=True):
        assert (json.envelope_xdr, bool(json.envelope_json)) == ("", True)
        assert json.tx_hash == base64.tx_hash
        check_equal(decode_transaction(base64), decode_transaction(json))
    for one, other in zip(events64, json_events, strict=True):
        assert (other.value, bool(other.value_json)) == ("", True)
        assert other.id == one.id
        assert decode_event(other) == decode_event(one)


@pytest.mark.parametrize(("name", "count"), [("core-tests", 1806), ("effects-cases", 40)])
def test_corpus_decodes_to_the_same(corpus: Corpus, name: str, count: int) -> None:
    _, *rows = corpus(name)
    assert len(rows) == count
    for row in rows[::4]:  # all take a quarter of a minute
        # One row of effects-cases has its base64 in lines, as no node sends it.
        parts = {part: row[part].replace("\n", "") for part in XDR_PARTS}
        base64 = Transaction("ab" * 32, "SUCCESS", 1, 1, False, 0, **parts)
        check_equal(decode_transaction(base64), decode_transaction(in_json(base64)))


def test_transactions_by_hash_are_the_same(serve: Callable[[Chain], RpcClient]) -> None:
    chain = Chain(Generator(3, transactions_per_ledger=8), closed=4)
    client = serve(chain)
    wanted = [
        (each.hash, ledger) for ledger in (2, 3) for each in chain.ledger(ledger).transactions
    ]
    decoded = {}
    for client.xdr_format in FORMS:
        items = HashChunk(wanted, batch_calls=10).fetch(client)
        decoded[client.xdr_format] = [
            decode_transaction(item) for item in items if isinstance(item, Transaction)
        ]
    assert len(decoded["json"]) == 16
    assert decoded["json"] == decoded["base64"]


def test_probe_takes_the_devnets_json(
    serve: Callable[[Chain], RpcClient], recording_path: Callable[[str], Path]
) -> None:
    client = serve(Chain(Recording(recording_path("pubnet-63800060"))))
    form = choose_form(client, "auto")
    assert form.why == "json: equal to base64 for 5 transactions and 10 events of ledger 63800108"
