"""The devnet over real HTTP, read back with stellar-sdk alone.

What the server says is held against counts and hashes that are written out
here or come from the XDR itself, not from the devnet's code.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from stellar_sdk import FeeBumpTransactionEnvelope, Keypair, TransactionEnvelope, xdr

from sorobanflow.devnet import Chain, DevnetServer, Generator, LedgerSupply, Recording

Call = Callable[..., dict[str, Any]]
PUBNET = "Public Global Stellar Network ; September 2015"
DEVNET = "Sorobanflow Devnet ; 2026"


def caller(client: httpx.Client, url: str) -> Call:
    def call(method: str, **params: Any) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer: dict[str, Any] = client.post(url, json=body).raise_for_status().json()["result"]
        return answer

    return call


@pytest.fixture
def serve() -> Iterator[Callable[[LedgerSupply], Call]]:
    """Serve a source whole until the test ends; gives what calls it."""
    servers: list[DevnetServer] = []
    with httpx.Client() as client:

        def start(source: LedgerSupply, **options: Any) -> Call:
            server = DevnetServer(Chain(source, **options))
            server.start()
            servers.append(server)
            return caller(client, server.url)

        yield start
        for server in servers:
            server.stop()


def all_transactions(call: Call, first: int, last: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page = call("getTransactions", startLedger=first, pagination={"limit": 200})
    while page["transactions"]:
        rows += page["transactions"]
        pagination = {"limit": 200, "cursor": page["cursor"]}
        page = call("getTransactions", pagination=pagination)
    return [row for row in rows if row["ledger"] <= last]


def all_events(call: Call, first: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page = call("getEvents", startLedger=first, pagination={"limit": 1000})
    while page["events"]:
        rows += page["events"]
        page = call("getEvents", pagination={"limit": 1000, "cursor": page["cursor"]})
    return rows


def real_hash(envelope_xdr: str, passphrase: str) -> str:
    envelope = xdr.TransactionEnvelope.from_xdr(envelope_xdr)
    assert envelope.to_xdr() == envelope_xdr
    if envelope.type == xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP:
        return FeeBumpTransactionEnvelope.from_xdr(envelope_xdr, passphrase).hash_hex()
    return TransactionEnvelope.from_xdr(envelope_xdr, passphrase).hash_hex()


def events_in(meta_xdr: str) -> int:
    """Count the events in a meta with stellar-sdk."""
    meta = xdr.TransactionMeta.from_xdr(meta_xdr)
    assert meta.to_xdr() == meta_xdr
    if meta.v4 is None:
        soroban = meta.v3.soroban_meta if meta.v3 else None
        return len(soroban.events) if soroban else 0
    return len(meta.v4.events) + sum(len(each.events) for each in meta.v4.operations)


def check_read_back(rows: list[dict[str, Any]], events: list[dict[str, Any]], name: str) -> None:
    assert [row["txHash"] for row in rows] == [real_hash(row["envelopeXdr"], name) for row in rows]
    for row in rows:
        result = xdr.TransactionResult.from_xdr(row["resultXdr"])
        succeeded = result.result.code in (
            xdr.TransactionResultCode.txSUCCESS,
            xdr.TransactionResultCode.txFEE_BUMP_INNER_SUCCESS,
        )
        assert result.to_xdr() == row["resultXdr"]
        assert row["status"] == ("SUCCESS" if succeeded else "FAILED")
    assert len(events) == sum(events_in(row["resultMetaXdr"]) for row in rows)
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    for event in events:
        for value in [*event.get("topic", []), event["value"]]:
            assert xdr.SCVal.from_xdr(value).to_xdr() == value


@pytest.mark.parametrize(
    ("name", "ledger", "transactions"),
    [("pubnet-63092990", 63_092_990, 236), ("pubnet-63800060", 63_800_108, 50)],
)
def test_pubnet_ledger_reads_back(
    serve: Callable[[LedgerSupply], Call],
    recording_path: Callable[[str], Path],
    name: str,
    ledger: int,
    transactions: int,
) -> None:
    call = serve(Recording(recording_path(name)))
    rows = all_transactions(call, ledger, ledger)
    assert len(rows) == transactions
    check_read_back(rows, all_events(call, ledger), PUBNET)


def test_recorded_order_and_hashes_are_served(
    serve: Callable[[LedgerSupply], Call], recording_path: Callable[[str], Path]
) -> None:
    call = serve(Recording(recording_path("pubnet-51000294")))
    rows = all_transactions(call, 51_000_294, 51_000_294)
    assert [row["applicationOrder"] for row in rows] == list(range(1, 542))
    assert rows[0]["txHash"] == "ced297df9a2f6a65269e111f5bd6de49b9e03b64a2d082108dbe92f7ccd57846"


def test_pubnet_2020_has_its_transactions_and_operations(
    serve: Callable[[LedgerSupply], Call], recording_path: Callable[[str], Path]
) -> None:
    call = serve(Recording(recording_path("pubnet-30822015")))
    rows = all_transactions(call, 30_822_015, 30_822_025)
    assert len(rows) == 650
    operations = 0
    for row in rows:
        envelope = xdr.TransactionEnvelope.from_xdr(row["envelopeXdr"])
        bump = envelope.fee_bump
        v1 = bump.tx.inner_tx.v1 if bump else envelope.v1
        v0 = envelope.v0
        operations += len(v0.tx.operations if v0 else v1.tx.operations if v1 else [])
    assert operations == 2085


def test_applyload_is_served_whole(
    serve: Callable[[LedgerSupply], Call], recording_path: Callable[[str], Path]
) -> None:
    call = serve(Recording(recording_path("applyload-10048")))
    rows = all_transactions(call, 10_048, 10_077)
    assert len(rows) == 14_760
    assert len({row["txHash"] for row in rows}) == 14_760


def test_generated_ledgers_read_back(serve: Callable[..., Call]) -> None:
    call = serve(Generator(4, transactions_per_ledger=20), closed=10)
    rows = all_transactions(call, 1, 10)
    assert len(rows) == 200
    check_read_back(rows, all_events(call, 1), DEVNET)
    assert {row["status"] for row in rows} == {"SUCCESS", "FAILED"}
    assert {row["feeBump"] for row in rows} == {True, False}


def test_generated_signatures_are_valid(serve: Callable[..., Call]) -> None:
    call = serve(Generator(4), closed=1)
    for row in all_transactions(call, 1, 1):
        if row["feeBump"]:
            continue
        envelope = TransactionEnvelope.from_xdr(row["envelopeXdr"], DEVNET)
        signer = Keypair.from_public_key(envelope.transaction.source.account_id)
        signer.verify(envelope.hash(), envelope.signatures[0].signature)


def test_one_transaction_is_the_same_by_hash_and_by_ledger(serve: Callable[..., Call]) -> None:
    call = serve(Generator(4), closed=3)
    (row,) = call("getTransactions", startLedger=2, pagination={"limit": 1})["transactions"]
    one = call("getTransaction", hash=row["txHash"])
    assert one["createdAt"] == str(row["createdAt"])
    for name in ("envelopeXdr", "resultXdr", "resultMetaXdr", "events", "applicationOrder"):
        assert one[name] == row[name]


def test_events_of_a_transaction_are_those_of_the_stream(serve: Callable[..., Call]) -> None:
    call = serve(Generator(4, transactions_per_ledger=20), closed=1)
    rows = {row["txHash"]: row for row in all_transactions(call, 1, 1)}
    for event in all_events(call, 1):
        if 0 < event["transactionIndex"] < 2**20 - 1 and event["operationIndex"] < 4095:
            row = rows[event["txHash"]]
            assert row["applicationOrder"] == event["transactionIndex"]
            index = int(event["id"].split("-")[1])
            made = row["events"]["contractEventsXdr"][event["operationIndex"]][index]
            read = xdr.ContractEvent.from_xdr(made)
            assert read.body.v0 is not None
            assert read.body.v0.data.to_xdr() == event["value"]


def test_filter_by_the_transfer_topic(serve: Callable[..., Call]) -> None:
    call = serve(Generator(4, transactions_per_ledger=20), closed=1)
    transfer = "AAAADwAAAAh0cmFuc2Zlcg=="
    everything = all_events(call, 1)
    for topic, wanted in (
        ([transfer, "**"], lambda topics: topics[:1] == [transfer]),
        ([transfer, "*", "*"], lambda t: t[:1] == [transfer] and len(t) == 3),
    ):
        filters = [{"topics": [topic]}]
        page = call("getEvents", startLedger=1, filters=filters, pagination={"limit": 1000})
        expected = [event["id"] for event in everything if wanted(event.get("topic", []))]
        assert expected
        assert [event["id"] for event in page["events"]] == expected


def test_window_moves_and_trims(serve: Callable[..., Call]) -> None:
    now = [0.0]
    call = serve(Generator(4), closed=3, retention=2, close_every_s=5.0, clock=lambda: now[0])
    assert call("getHealth")["oldestLedger"] == 2
    now[0] = 10.0
    health = call("getHealth")
    assert (health["oldestLedger"], health["latestLedger"]) == (4, 5)
    assert {event["ledger"] for event in all_events(call, 4)} == {4, 5}
