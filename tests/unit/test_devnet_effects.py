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


def test_another_network() -> None:
    assert call("network", "getNetwork")["passphrase"] != CHAIN.network.passphrase
