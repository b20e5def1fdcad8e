"""The methods: order of the checks, windows, cursors and the quirks at the tip."""

from hashlib import sha256
from typing import Any

import pytest
from stellar_sdk import xdr

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.generator.cast import EXCHANGE
from sorobanflow.devnet.generator.entries import INSTANCE_KEY, data_key
from sorobanflow.devnet.generator.wasms import exchange_wasm
from sorobanflow.devnet.jsonrpc import RpcError
from sorobanflow.devnet.listed import ListedLedgers
from sorobanflow.devnet.node import Node
from sorobanflow.devnet.params import BadParams
from tests.ledgers import generated

ISSUER = "GDWMDNMHE7Z7CKZRSSEBVHWLTXQLFDHHWIDSGDMOSMH6DPHHLYSWZ7H4"
GENERATOR = Generator(9, transactions_per_ledger=3, events_per_transaction=4)


@pytest.fixture
def chain() -> Chain:
    """Ledgers 1 to 25,000; 100, 101 and 20,000 with 3 transactions of 4 events."""
    ledgers = [GENERATOR.ledger(sequence) for sequence in (100, 101, 20_000)]
    return Chain(ListedLedgers(ledgers, 1, 25_000, GENERATOR.network))


def call(chain: Chain, method: str, **params: Any) -> dict[str, Any]:
    return Node(chain).call(method, params)


def refusal(chain: Chain, method: str, **params: Any) -> tuple[int, str]:
    with pytest.raises(RpcError) as caught:
        call(chain, method, **params)
    return caught.value.code, caught.value.message


CURSOR = "0000000429496729600-0000000000"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (
            {"startLedger": 1, "pagination": {"cursor": CURSOR, "limit": 10_001}},
            "ledger ranges and cursor cannot both be set",
        ),
        (
            {"endLedger": 1, "pagination": {"cursor": CURSOR}},
            "ledger ranges and cursor cannot both be set",
        ),
        ({"pagination": {"limit": 10_001}}, "startLedger must be positive"),
        (
            {"startLedger": 1, "pagination": {"limit": 10_001}, "filters": [{}] * 6},
            "limit must not exceed 10000",
        ),
        ({"startLedger": 99_999, "filters": [{}] * 6}, "maximum 5 filters per request"),
    ],
)
def test_get_events_checks_in_the_nodes_order(
    chain: Chain, params: dict[str, Any], text: str
) -> None:
    assert refusal(chain, "getEvents", **params) == (-32602, text)


def test_get_events_reads_before_it_checks(chain: Chain) -> None:
    with pytest.raises(BadParams, match="invalid event id nope"):
        call(chain, "getEvents", endLedger=1, pagination={"cursor": "nope"})


@pytest.mark.parametrize("start", [25_001, 2**32 - 1])
def test_get_events_outside_of_the_window(chain: Chain, start: int) -> None:
    text = "startLedger must be within the ledger range: 1 - 25000"
    assert refusal(chain, "getEvents", startLedger=start) == (-32600, text)


def test_get_events_scans_ten_thousand_ledgers(chain: Chain) -> None:
    page = call(chain, "getEvents", startLedger=102)
    # Ledger 10101, everything else at its largest: the window ended, not the chain.
    assert page["events"] == []
    assert page["cursor"] == "0000043387759624191-4294967295"
    cursors = [page["cursor"]]
    found: list[Any] = []
    while len(cursors) < 4:
        page = call(chain, "getEvents", pagination={"cursor": cursors[-1]})
        cursors.append(page["cursor"])
        found += page["events"]
    assert len(found) == 12
    assert cursors[2:] == ["0000107378477367295-4294967295"] * 2  # the tip, and the tip again


def test_get_events_pages_join_without_loss(chain: Chain) -> None:
    whole = call(chain, "getEvents", startLedger=100, endLedger=102)["events"]
    assert len(whole) == 24
    page = call(chain, "getEvents", startLedger=100, pagination={"limit": 5})
    joined = page["events"]
    while page["events"]:
        page = call(chain, "getEvents", pagination={"cursor": page["cursor"], "limit": 5})
        joined += [each for each in page["events"] if each["ledger"] < 102]
    assert [each["id"] for each in joined] == [each["id"] for each in whole]


def test_get_events_cursor_of_a_full_page_is_its_last_event(chain: Chain) -> None:
    page = call(chain, "getEvents", startLedger=100, pagination={"limit": 12})
    assert page["cursor"] == page["events"][-1]["id"]


def test_get_events_end_before_start_goes_back(chain: Chain) -> None:
    page = call(chain, "getEvents", startLedger=100, endLedger=90)
    assert page["events"] == []
    assert int(page["cursor"].split("-")[0]) >> 32 == 89


def test_get_events_at_the_tip_repeats_the_cursor_until_a_ledger_closes() -> None:
    chain = Chain(GENERATOR, closed=5)
    tip = call(chain, "getEvents", startLedger=5)["cursor"]
    assert tip == "0000000025769803775-4294967295"
    assert call(chain, "getEvents", pagination={"cursor": tip})["cursor"] == tip
    chain.close()
    page = call(chain, "getEvents", pagination={"cursor": tip})
    assert {each["ledger"] for each in page["events"]} == {6}


def test_get_events_times_are_strings(chain: Chain) -> None:
    page = call(chain, "getEvents", startLedger=100, pagination={"limit": 1})
    assert page["events"][0]["ledgerClosedAt"] == "2026-01-01T00:08:20Z"
    assert page["latestLedgerCloseTime"] == "1767350600"
    assert page["oldestLedgerCloseTime"] == "1767225605"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"hash": "ab"}, "unexpected hash length (2)"),
        ({"hash": "z" * 64}, "incorrect hash: encoding/hex: invalid byte: U+007A 'z'"),
    ],
)
def test_get_transaction_refuses(chain: Chain, params: dict[str, Any], text: str) -> None:
    assert refusal(chain, "getTransaction", **params) == (-32602, text)


def test_get_transaction_finds_what_nobody_asked_for_yet(chain: Chain) -> None:
    wanted = GENERATOR.ledger(20_000).transactions[1]
    got = call(chain, "getTransaction", hash=wanted.hash)
    assert (got["status"], got["ledger"], got["applicationOrder"]) == ("SUCCESS", 20_000, 2)
    assert got["createdAt"] == "1767325600"
    assert got["envelopeXdr"] == wanted.envelope_xdr
    assert len(got["events"]["transactionEventsXdr"]) == 1
    assert [len(operation) for operation in got["events"]["contractEventsXdr"]] == [3]


def test_get_transaction_not_found_is_a_result(chain: Chain) -> None:
    assert call(chain, "getTransaction", hash="0" * 64) == {
        "latestLedger": 25_000,
        "latestLedgerCloseTime": "1767350600",
        "oldestLedger": 1,
        "oldestLedgerCloseTime": "1767225605",
        "status": "NOT_FOUND",
        "txHash": "0" * 64,
        "applicationOrder": 0,
        "feeBump": False,
        "events": {},
        "ledger": 0,
        "createdAt": "0",
    }


def test_get_transaction_forgets_trimmed_ledgers() -> None:
    chain = Chain(GENERATOR, closed=3, retention=2)
    tx_hash = GENERATOR.ledger(2).transactions[0].hash
    assert call(chain, "getTransaction", hash=tx_hash)["status"] == "SUCCESS"
    chain.close()
    assert call(chain, "getTransaction", hash=tx_hash)["status"] == "NOT_FOUND"


def test_get_transactions_joins_its_complaints() -> None:
    chain = Chain(GENERATOR, closed=5)
    params = {"startLedger": 9, "pagination": {"limit": 201}}
    assert refusal(chain, "getTransactions", **params) == (
        -32600,
        "start ledger (9) must be between the oldest ledger: 1 and the latest ledger: 5 "
        "for this rpc instance\n"
        "limit must not exceed 200",
    )


@pytest.mark.parametrize(
    ("pagination", "start", "code", "text"),
    [
        ({"cursor": "4294971393"}, 1, -32600, "startLedger (1) and cursor (4294971393) cannot"),
        ({"cursor": "x1"}, 0, -32602, 'strconv.ParseInt: parsing "x1": invalid syntax'),
        ({"cursor": "0"}, 0, -32602, "database does not contain metadata for ledger: 0"),
        ({"cursor": "4294971393"}, 0, -32602, "database does not contain metadata for ledger: 1"),
    ],
)
def test_get_transactions_refuses_cursors(
    pagination: dict[str, Any], start: int, code: int, text: str
) -> None:
    chain = Chain(GENERATOR, closed=5, retention=3)
    got = refusal(chain, "getTransactions", startLedger=start, pagination=pagination)
    assert got[0] == code
    assert got[1].startswith(text)


def test_get_transactions_delivers_the_tip_again() -> None:
    chain = Chain(GENERATOR, closed=5)
    first = call(chain, "getTransactions", startLedger=5)
    assert (len(first["transactions"]), first["cursor"]) == (3, "21474848769")  # (5, 3, 1)
    second = call(chain, "getTransactions", pagination={"cursor": first["cursor"]})
    assert (second["transactions"], second["cursor"]) == ([], "21474836481")  # (5, 0, 1)
    third = call(chain, "getTransactions", pagination={"cursor": second["cursor"]})
    assert third["transactions"] == first["transactions"]


def test_get_transactions_ahead_of_the_node_gives_cursor_zero() -> None:
    chain = Chain(GENERATOR, closed=5)
    ahead = call(chain, "getTransactions", pagination={"cursor": "25769803777"})  # (6, 0, 1)
    assert (ahead["transactions"], ahead["cursor"]) == ([], "0")


def test_get_transactions_times_are_numbers() -> None:
    chain = Chain(GENERATOR, closed=5)
    page = call(chain, "getTransactions", startLedger=4, pagination={"limit": 4})
    assert [row["ledger"] for row in page["transactions"]] == [4, 4, 4, 5]
    assert page["transactions"][0]["createdAt"] == 1767225620
    assert page["latestLedgerCloseTimestamp"] == 1767225625
    assert page["oldestLedgerCloseTimestamp"] == 1767225605


def test_get_transactions_takes_an_array() -> None:
    node = Node(Chain(GENERATOR, closed=5))
    page = node.call("getTransactions", [5, {"limit": 2}, ""])
    assert len(page["transactions"]) == 2


@pytest.mark.parametrize("method", ["getEvents", "getTransaction", "getHealth"])
def test_other_methods_refuse_arrays(chain: Chain, method: str) -> None:
    with pytest.raises(BadParams):
        Node(chain).call(method, [1])


@pytest.mark.parametrize(("closed", "version", "modified"), [(6, 1, 1), (7, 2, 7), (9, 2, 7)])
def test_ledger_entries_are_those_of_the_newest_ledger(
    closed: int, version: int, modified: int
) -> None:
    unknown = xdr.LedgerKey.from_json_dict({"contract_code": {"hash": "ab" * 32}}).to_xdr()
    known = data_key(EXCHANGE, INSTANCE_KEY).to_xdr()
    answer = call(Chain(generated(), closed=closed), "getLedgerEntries", keys=[unknown, known])
    [entry] = answer["entries"]
    data = xdr.LedgerEntryData.from_xdr(entry.pop("xdr")).to_json_dict()
    executable = data["contract_data"]["val"]["contract_instance"]["executable"]
    assert executable == {"wasm": sha256(exchange_wasm(version)).hexdigest()}
    assert entry == {"key": known, "lastModifiedLedgerSeq": modified}
    assert answer["latestLedger"] == closed


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["AAAA"] * 201, r"key count (201) exceeds maximum supported (200)"),
        (["AAAA"], "cannot unmarshal key value AAAA at index 0"),
        (["no base64"], "cannot unmarshal key value no base64 at index 0"),
    ],
)
def test_ledger_entries_refuse_other_keys(chain: Chain, keys: list[str], message: str) -> None:
    assert refusal(chain, "getLedgerEntries", keys=keys) == (-32602, message)


def test_health_names_the_window(chain: Chain) -> None:
    assert call(chain, "getHealth") == {
        "status": "healthy",
        "latestLedger": 25_000,
        "latestLedgerCloseTime": "1767350600",
        "oldestLedger": 1,
        "oldestLedgerCloseTime": "1767225605",
        "ledgerRetentionWindow": 120_960,
    }


def test_network_names_the_passphrase(chain: Chain) -> None:
    assert call(chain, "getNetwork")["passphrase"] == "Sorobanflow Devnet ; 2026"
