import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import MISPLACED, Event, Malformed, Transaction
from sorobanflow.store.tables import STATE_TABLES, contract_calls, contract_executables, trades
from sorobanflow.toid import Position
from tests.unit.wire_items import (
    ALICE,
    BOB,
    TX_HASH,
    make_body,
    make_event,
    make_result,
    make_transaction,
    numbered,
    sign,
    symbol,
    with_its_hash,
)

LEDGERS = LedgerRange(1000, 1001)
PASSPHRASE = "Test SDF Network ; September 2015"
TRANSFER = [symbol("transfer"), {"address": ALICE}, {"address": BOB}]


def batch_of(
    events: list[Event | Malformed] | None = None,
    transactions: list[Transaction | Malformed] | None = None,
) -> BatchRows:
    return make_rows(LEDGERS, events or [], transactions or [], PASSPHRASE)


def event_at(ledger: int, tx: int, op: int = 0, index: int = 0, **changes: Any) -> Event:
    event_id = Position(ledger, tx, op, index).event_id
    return make_event(TRANSFER, {"i128": "1"}, **{"id": event_id, "ledger": ledger} | changes)


def transaction_at(ledger: int, order: int, sequence: int = 77, **changes: Any) -> Transaction:
    fields = {"ledger": ledger, "application_order": order}
    return with_its_hash(make_transaction(numbered(sequence), **fields | changes))


def test_an_empty_batch_has_no_rows() -> None:
    batch = batch_of()
    assert batch.ledgers == LEDGERS
    assert set(batch.counts().values()) == {0}
    assert batch.closed_at == {}


def test_counts_name_every_table() -> None:
    batch = batch_of([event_at(1000, 1), Malformed("{}", "bad")], [transaction_at(1000, 1)])
    seen = {"contracts": 1, "contract_specs": 0}
    state = {
        table.name: 0 for table in (trades, contract_calls, contract_executables, *STATE_TABLES)
    }
    wanted = dict.fromkeys(("events", "transactions", "operations", "token_operations"), 1)
    assert batch.counts() == {**wanted, **state, "tokens": 1, **seen, "quarantine": 1}


def test_rows_are_in_chain_order_whatever_the_order_of_delivery() -> None:
    events = [event_at(1000, 9), event_at(1000, 10), event_at(1001, 1, 0, 9), event_at(1001, 1, 1)]
    transactions = [
        transaction_at(1000, 9, 1),
        transaction_at(1000, 10, 2),
        transaction_at(1001, 1, 3),
    ]
    hashes = [transaction.tx_hash for transaction in transactions]
    assert hashes != sorted(hashes)
    for delivery in itertools.permutations(range(3)):
        batch = batch_of(
            [events[3], *(events[i] for i in delivery)], [transactions[i] for i in delivery]
        )
        assert [row.id for row in batch.events] == [event.id for event in events]
        places = [Position(*row[1:5]).event_id for row in batch.token_operations]
        assert places == [event.id for event in events]
        assert [row.hash.hex() for row in batch.transactions] == hashes
        assert [row.tx_hash.hex() for row in batch.operations] == hashes


def test_items_delivered_twice_are_one_row() -> None:
    events = [event_at(1000, 1), Malformed("{}", "bad"), event_at(1000, 2, type="odd")]
    transactions = [transaction_at(1000, 1), transaction_at(1000, 2, 78, status="FAILED")]
    once, twice = batch_of(events, transactions), batch_of(events * 2, transactions * 2)
    assert vars(twice) == vars(once)
    seen = {"contracts": 1, "contract_specs": 0}
    state = {
        table.name: 0 for table in (trades, contract_calls, contract_executables, *STATE_TABLES)
    }
    wanted = dict.fromkeys(("events", "transactions", "operations", "token_operations"), 1)
    assert twice.counts() == {**wanted, **state, "tokens": 1, **seen, "quarantine": 3}


def test_another_event_under_the_same_id_is_quarantined() -> None:
    first, second = event_at(1000, 1), event_at(1000, 1, type="system")
    batch = batch_of([first, second])
    assert [row.is_system for row in batch.events] == [False]
    [row] = batch.quarantine
    assert (row.kind, row.key) == ("event", first.id)
    assert "delivered before" in row.error


def test_two_bad_items_under_the_same_id_are_both_kept() -> None:
    batch = batch_of([event_at(1000, 1, type="odd"), event_at(1000, 1, type="odder")])
    assert len({row.payload for row in batch.quarantine}) == 2
    assert len({row.key for row in batch.quarantine}) == 2


def test_another_transaction_under_the_same_hash_is_quarantined() -> None:
    batch = batch_of(None, [transaction_at(1000, 1), transaction_at(1000, 2)])
    assert [row.application_order for row in batch.transactions] == [1]
    assert [row.kind for row in batch.quarantine] == ["transaction"]


def test_another_transaction_in_the_same_place_is_quarantined() -> None:
    first, second = transaction_at(1000, 1), transaction_at(1000, 1, 78)
    batch = batch_of(None, [first, second])
    assert [row.hash.hex() for row in batch.transactions] == [first.tx_hash]
    [row] = batch.quarantine
    assert row.key == second.tx_hash
    assert f"{second.tx_hash} has the place of {first.tx_hash}" in row.error


def test_a_transaction_under_the_hash_of_another_is_quarantined() -> None:
    right, wrong = transaction_at(1000, 1), transaction_at(1000, 1, 78)
    its_own, wrong.tx_hash = wrong.tx_hash, right.tx_hash
    batch = batch_of([event_at(1000, 1, tx_hash=right.tx_hash)], [wrong])
    assert (batch.transactions, batch.operations, len(batch.events)) == ([], [], 1)
    [row] = batch.quarantine
    assert (row.kind, row.key) == ("transaction", right.tx_hash)
    assert row.error_class == "WrongHashError"
    assert f"of transaction {right.tx_hash} has the hash {its_own}" in row.error


def test_signatures_are_no_part_of_what_is_hashed() -> None:
    item = make_transaction({"tx": sign(make_body(), signature="0001")}, ledger=1000)
    assert [row.hash.hex() for row in batch_of(None, [item]).transactions] == [TX_HASH]


def test_a_transaction_of_another_network_is_quarantined() -> None:
    foreign = make_rows(LEDGERS, [], [transaction_at(1000, 1)], "Another Network")
    assert [row.error_class for row in foreign.quarantine] == ["WrongHashError"]


def test_a_bad_event_costs_itself_only() -> None:
    bad = event_at(1000, 2)
    bad.value = bytes(3)
    batch = batch_of([event_at(1000, 1), bad, event_at(1000, 3)])
    assert [row.tx_index for row in batch.events] == [1, 3]
    [row] = batch.quarantine
    assert (row.kind, row.key, row.ledger) == ("event", bad.id, 1000)
    assert row.error_class == "DecodeError"


def test_a_bad_transaction_costs_its_operations_and_not_its_events() -> None:
    bad = transaction_at(1000, 1, result=make_result({"txsuccess": []}))
    batch = batch_of([event_at(1000, 1, tx_hash=bad.tx_hash)], [bad])
    assert (batch.transactions, batch.operations) == ([], [])
    assert [row.tx_hash.hex() for row in batch.events] == [bad.tx_hash]
    assert [(row.kind, row.key) for row in batch.quarantine] == [("transaction", bad.tx_hash)]


def test_a_misplaced_copy_of_an_item_that_came_readable_is_dropped() -> None:
    sound, event = transaction_at(1000, 1), event_at(1000, 1)
    copies = [
        Malformed.of(one, f"{MISPLACED}(1000, 1) is not where it stands") for one in (sound, event)
    ]
    batch = batch_of([event, copies[1]], [copies[0], sound])
    assert (batch.quarantine, len(batch.transactions), len(batch.events)) == ([], 1, 1)
    alone = batch_of([copies[1]], [copies[0]])
    assert [row.kind for row in alone.quarantine] == ["event", "transaction"]


@pytest.mark.parametrize("ledger", [0, 999, 1002, 2147483647])
def test_items_of_other_ledgers_are_quarantined_in_this_batch(ledger: int) -> None:
    batch = batch_of([event_at(ledger, 1)], [transaction_at(ledger, 1)])
    assert (batch.events, batch.transactions, batch.closed_at) == ([], [], {})
    assert [row.ledger for row in batch.quarantine] == [1000, 1000]
    assert f"it is of ledger {ledger}, the batch of 1000-1001" in batch.quarantine[0].error


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [('{"ledger":1000}', 1000), ('{"ledger":7}', 1001), ("[]", 1001)],
)
def test_a_malformed_item_stands_under_its_own_ledger_or_its_neighbours(
    payload: str, wanted: int
) -> None:
    batch = batch_of([event_at(1001, 1), Malformed(payload, "what is wrong")])
    [row] = batch.quarantine
    assert (row.ledger, row.payload, row.error) == (wanted, payload, "what is wrong")


def test_a_malformed_item_alone_stands_under_the_first_ledger() -> None:
    [row] = batch_of(None, [Malformed("[]", "bad")]).quarantine
    assert (row.kind, row.ledger) == ("transaction", 1000)


def test_closed_at_holds_every_ledger_with_a_row() -> None:
    late = "2026-07-21T18:01:15Z"
    batch = batch_of([event_at(1001, 1, ledger_closed_at=late)], [transaction_at(1000, 1)])
    assert batch.closed_at == {
        1000: datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC),
        1001: datetime(2026, 7, 21, 18, 1, 15, tzinfo=UTC),
    }


@pytest.mark.parametrize("flag", [None, True])
def test_the_transaction_says_whether_a_token_operation_was_applied(flag: bool | None) -> None:
    failed = transaction_at(1000, 1, result=make_result("txbad_seq"), status="FAILED")
    event = event_at(1000, 1, tx_hash=failed.tx_hash, in_successful_contract_call=flag)
    assert [row.successful for row in batch_of([event], [failed]).token_operations] == [False]


@pytest.mark.parametrize("flag", [True, False])
def test_else_the_event_says_it(flag: bool) -> None:
    event = event_at(1000, 1, in_successful_contract_call=flag)
    assert [row.successful for row in batch_of([event]).token_operations] == [flag]


def test_where_nobody_says_it_the_event_is_stored_and_the_rest_quarantined() -> None:
    event = event_at(1000, 1, in_successful_contract_call=None)
    batch = batch_of([event])
    assert [row.id for row in batch.events] == [event.id]
    assert batch.token_operations == []
    assert [(row.kind, row.key) for row in batch.quarantine] == [("token_operation", event.id)]
