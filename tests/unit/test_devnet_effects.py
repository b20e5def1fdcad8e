"""Faults of one call: what the method sees and what it answers."""

from typing import Any

import pytest

from sorobanflow.devnet import Chain, Generator, parse_faults
from sorobanflow.devnet.jsonrpc import RpcError
from sorobanflow.devnet.node import Node
from sorobanflow.toid import TxPosition, end_of_ledger, parse_event_id

CHAIN = Chain(Generator(9, transactions_per_ledger=3, events_per_transaction=2), closed=10)
HASHES = [one.hash for one in CHAIN.ledger(5).transactions]


def call(fault: str, method: str, **params: Any) -> dict[str, Any]:
    return Node(CHAIN).call(method, params, parse_faults(f"{method}:*={fault}"))


def events(fault: str, **params: Any) -> dict[str, Any]:
    return call(fault, "getEvents", **params)


def transactions(fault: str, **params: Any) -> dict[str, Any]:
    return call(fault, "getTransactions", **params)


def ledgers_of(page: dict[str, Any]) -> list[int]:
    return sorted({item["ledger"] for item in page.get("events") or page["transactions"]})


def test_behind_and_trimmed_move_the_ends_of_the_window() -> None:
    health = call("behind/3", "getHealth")
    assert (health["oldestLedger"], health["latestLedger"]) == (1, 7)
    health = call("trimmed/3", "getHealth")
    assert (health["oldestLedger"], health["latestLedger"]) == (4, 10)
    assert call("trimmed/99", "getHealth")["oldestLedger"] == 10
    with pytest.raises(RpcError, match="ledger range: 4 - 10"):
        events("trimmed/3", startLedger=3)


def test_page_gives_more_or_fewer_items_than_asked() -> None:
    asked = {"startLedger": 1, "pagination": {"limit": 5}}
    assert len(transactions("page/2", **asked)["transactions"]) == 2
    assert len(transactions("page/999", **asked)["transactions"]) == 30
    assert len(events("page/9", **asked)["events"]) == 9


def test_repeat_starts_at_the_start_of_the_cursors_ledger() -> None:
    behind_two = {"pagination": {"cursor": TxPosition(5, 2).cursor}}
    page = transactions("repeat", **behind_two)["transactions"]
    assert [one["txHash"] for one in page[:3]] == HASHES
    whole = events("repeat", startLedger=5, endLedger=6)["events"]
    page = events("repeat", pagination={"cursor": whole[3]["id"]})["events"]
    assert page[: len(whole)] == whole


def test_cursor_is_replaced() -> None:
    assert events("cursor/0", startLedger=5)["cursor"] == "0"


def test_stuck_pages_are_empty_and_end_where_they_start() -> None:
    cursor = end_of_ledger(4).event_id
    for asked in ({"startLedger": 5}, {"pagination": {"cursor": cursor}}):
        page = events("stuck", **asked)
        assert (page["events"], page["cursor"]) == ([], cursor)
    page = transactions("stuck", startLedger=5)
    assert (page["transactions"], page["cursor"]) == ([], TxPosition(5, 0).cursor)


@pytest.mark.parametrize(("by", "ledger"), [(2, 7), (-2, 3)])
def test_stray_event_of_another_ledger_comes_first(by: int, ledger: int) -> None:
    page = events(f"stray/{by}", startLedger=5, endLedger=6)["events"]
    assert parse_event_id(page[0]["id"]).ledger == page[0]["ledger"] == ledger
    assert {item["ledger"] for item in page[1:]} == {5}
    assert ledgers_of(events("stray/50", startLedger=5, endLedger=6)) == [5]


def test_missing_and_mistyped_fields_of_the_result_or_the_middle_item() -> None:
    assert "cursor" not in events("missing/cursor", startLedger=5)
    page = transactions("missing/ledger", startLedger=5, pagination={"limit": 5})
    assert ["ledger" in item for item in page["transactions"]] == [True, True, False, True, True]
    assert events("mistyped/events", startLedger=5)["events"] == 7
    item = transactions("mistyped/txHash", startLedger=5, pagination={"limit": 1})["transactions"]
    assert item[0]["txHash"] == {"devnet": "mistyped"}


def test_faults_leave_cached_items_alone() -> None:
    asked = {"startLedger": 5, "pagination": {"limit": 1}}
    sound = transactions("behind/0", **asked)
    transactions("missing/envelopeXdr", **asked)
    assert transactions("behind/0", **asked) == sound


def test_another_transaction_than_the_one_asked_for() -> None:
    sound = call("behind/0", "getTransaction", hash=HASHES[1])
    other = call("other_transaction", "getTransaction", hash=HASHES[1])
    assert other["txHash"] != HASHES[1] == sound["txHash"]
    disguised = call("other_envelope", "getTransaction", hash=HASHES[1])
    assert disguised == {
        **sound,
        **{name: other[name] for name in ("envelopeXdr", "resultXdr", "resultMetaXdr")},
    }


def test_middle_transaction_of_a_page_has_the_envelope_of_another() -> None:
    sound, wrong = (
        call(fault, "getTransactions", startLedger=1)["transactions"]
        for fault in ("behind/0", "other_envelope")
    )
    middle = len(sound) // 2
    assert wrong[:middle] + wrong[middle + 1 :] == sound[:middle] + sound[middle + 1 :]
    changed = {name for name in wrong[middle] if wrong[middle][name] != sound[middle][name]}
    assert changed >= {"envelopeXdr", "resultMetaXdr"}
    assert changed <= {"envelopeXdr", "resultXdr", "resultMetaXdr"}


def sequences(page: dict[str, Any]) -> list[int]:
    return [item["sequence"] for item in page["ledgers"]]


@pytest.mark.parametrize(
    ("fault", "expected", "cursor"),
    [
        ("hole", [4, 5, 7, 8], "8"),
        ("page/2", [4, 5], "5"),
        ("repeat", [3, 4, 5, 6, 7], "7"),
        ("stuck", [], "3"),
        ("cursor/0", [4, 5, 6, 7, 8], "0"),
    ],
)
def test_pages_of_ledgers_lack_or_repeat_some(fault: str, expected: list[int], cursor: str) -> None:
    page = call(fault, "getLedgers", pagination={"cursor": "3", "limit": 5})
    assert (sequences(page), page["cursor"]) == (expected, cursor)


@pytest.mark.parametrize("fault", ["tampered/40", "other_ledgers"])
def test_middle_ledger_of_a_page_has_other_content(fault: str) -> None:
    asked = {"startLedger": 4, "pagination": {"limit": 3}}
    sound, wrong = (call(each, "getLedgers", **asked)["ledgers"] for each in ("behind/0", fault))
    assert [wrong[0], wrong[2]] == [sound[0], sound[2]]
    assert {**wrong[1], "metadataXdr": sound[1]["metadataXdr"]} == sound[1]
    assert wrong[1] != sound[1]
    assert (wrong[1]["metadataXdr"] == sound[2]["metadataXdr"]) == (fault == "other_ledgers")


def test_another_network() -> None:
    assert call("network", "getNetwork")["passphrase"] != CHAIN.network.passphrase
