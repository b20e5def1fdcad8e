"""The quarantine, decoded again, on a real PostgreSQL."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from sorobanflow.audit.replay import PAGE, ReplayResult, replay
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.quarantine import Item, quarantine_row
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import Event, Malformed
from sorobanflow.sources.rpc.positions import mark_misplaced
from sorobanflow.store.archives import mark_dropped
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.upsert import upsert_batch
from sorobanflow.toid import Position, parse_event_id
from tests.unit.wire_items import (
    ALICE,
    BOB,
    TX_HASH,
    address,
    make_event,
    make_transaction,
    scval,
    symbol,
)

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
PASSPHRASE = "Test SDF Network ; September 2015"
LEDGERS = LedgerRange(1000, 1000)
TRANSFER = [symbol("transfer"), address(ALICE), address(BOB)]
AMOUNT = {"i128": "7"}


@pytest.fixture(autouse=True)
def stream(engine: Engine) -> None:
    open_stream(engine, Stream())


def _all(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def _set_aside(engine: Engine, kind: str, *items: Item, error: str = "a bug of ours") -> None:
    batch = BatchRows(LEDGERS)
    batch.quarantine = [quarantine_row(kind, item, 1000, DecodeError(error)) for item in items]
    upsert_batch(engine, batch, "all")


def test_replay_of_an_empty_quarantine_does_nothing(engine: Engine) -> None:
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 0, [])


def test_sound_items_are_stored_as_an_index_stores_them_and_leave(
    engine: Engine, checksums: Checksums
) -> None:
    event, transaction = make_event(TRANSFER, AMOUNT), make_transaction()
    upsert_batch(engine, make_rows(LEDGERS, [event], [transaction], PASSPHRASE), "all")
    indexed = checksums(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE stored.events, stored.transactions, stored.operations, "
                "stored.token_operations, ledgers"
            )
        )
    _set_aside(engine, "event", event)
    _set_aside(engine, "transaction", transaction)
    assert replay(engine, PASSPHRASE) == ReplayResult(2, 0, [1000])
    assert checksums(engine) == indexed
    assert _all(engine, "SELECT count(*) FROM quarantine") == [(0,)]


def test_bad_items_stay_with_their_new_error_and_stop_no_other(engine: Engine) -> None:
    bad = msgspec.structs.replace(make_event([]), value=bytes(3))
    sound = make_event(TRANSFER, AMOUNT, id=Position(1000, 3, 1, 9).event_id)
    nonsense = Malformed("[1, 2", "not JSON")
    _set_aside(engine, "event", bad, sound, nonsense)
    assert replay(engine, PASSPHRASE) == ReplayResult(1, 2, [])
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 2, [])
    assert _all(engine, "SELECT id FROM events") == [(sound.id,)]
    left = _all(engine, "SELECT attempts, error FROM quarantine ORDER BY error")
    assert [attempts for attempts, _ in left] == [3, 3]
    assert "SCVal" in left[1][1]
    assert "a bug of ours" not in {error for _, error in left}


def test_item_of_dropped_ledgers_stays(engine: Engine) -> None:
    _set_aside(engine, "event", make_event(TRANSFER, AMOUNT))
    assert mark_dropped(engine, LedgerRange(990, 1000))
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 0, [])
    assert _all(engine, "SELECT attempts FROM quarantine") == [(1,)]


def test_item_without_an_id_of_its_own_leaves_as_well(engine: Engine) -> None:
    event = make_event(TRANSFER, AMOUNT)
    payload = msgspec.json.encode(event).decode()
    row = quarantine_row("event", event, 1000, DecodeError("bug"))
    batch = BatchRows(LEDGERS)
    batch.quarantine = [row._replace(key="ab" * 32, payload=payload)]
    upsert_batch(engine, batch, "all")
    assert replay(engine, PASSPHRASE) == ReplayResult(1, 0, [])
    assert _all(engine, "SELECT count(*) FROM quarantine") == [(0,)]


@pytest.mark.parametrize("successful", [True, False])
def test_token_operation_learns_from_its_transaction_whether_it_was_applied(
    engine: Engine, successful: bool
) -> None:
    event = make_event(TRANSFER, AMOUNT, in_successful_contract_call=None)
    upsert_batch(engine, make_rows(LEDGERS, [event], [], PASSPHRASE), "all")
    assert _all(engine, "SELECT kind FROM quarantine") == [("token_operation",)]
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 1, [])
    stored = make_rows(LEDGERS, [], [make_transaction()], PASSPHRASE)
    stored.transactions = [row._replace(successful=successful) for row in stored.transactions]
    upsert_batch(engine, stored, "all")
    assert replay(engine, PASSPHRASE) == ReplayResult(1, 0, [])
    assert _all(engine, "SELECT type, successful FROM token_operations") == [
        ("transfer", successful)
    ]
    assert _all(engine, "SELECT in_successful_call FROM events") == [(None,)]


def test_transaction_is_replayed_before_the_event_that_needs_it(engine: Engine) -> None:
    _set_aside(engine, "event", make_event(TRANSFER, AMOUNT, in_successful_contract_call=None))
    _set_aside(engine, "transaction", make_transaction())
    assert replay(engine, PASSPHRASE) == ReplayResult(2, 0, [1000])
    assert _all(engine, "SELECT successful FROM token_operations") == [(True,)]


def test_what_was_delivered_twice_and_differently_overwrites_nothing(engine: Engine) -> None:
    first, second = make_event(TRANSFER, AMOUNT), make_event(TRANSFER, {"i128": "8"})
    upsert_batch(engine, make_rows(LEDGERS, [first, second], [], PASSPHRASE), "all")
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 1, [])
    assert _all(engine, "SELECT amount FROM token_operations") == [(7,)]
    assert "stored already" in _all(engine, "SELECT error FROM quarantine")[0][0]


def test_item_that_stood_in_another_ledger_stays(engine: Engine) -> None:
    elsewhere = make_event(TRANSFER, AMOUNT, id=Position(1001, 3, 1, 2).event_id, ledger=1001)
    upsert_batch(engine, make_rows(LEDGERS, [elsewhere], [], PASSPHRASE), "all")
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 1, [])
    assert _all(engine, "SELECT count(*) FROM events") == [(0,)]


def test_item_whose_place_cannot_be_its_own_stays(engine: Engine) -> None:
    event = make_event(TRANSFER, AMOUNT)
    after, bound = Position(1000, 4, 0, 0), Position(1000, 9, 0, 0)
    ((_, refused),) = mark_misplaced([(parse_event_id(event.id), event)], after, bound)
    upsert_batch(engine, make_rows(LEDGERS, [refused], [], PASSPHRASE), "all")
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 1, [])
    assert replay(engine, PASSPHRASE) == ReplayResult(0, 1, [])
    assert _all(engine, "SELECT attempts FROM quarantine") == [(3,)]


def test_every_page_is_read_once(engine: Engine) -> None:
    count = 2 * PAGE + 1
    events = [
        make_event([symbol("x")], {"u32": n}, id=Position(1000, 3, 1, n).event_id)
        for n in range(count)
    ]
    bad: list[Event] = [
        msgspec.structs.replace(event, value=bytes(3)) if n % 2 else event
        for n, event in enumerate(events)
    ]
    _set_aside(engine, "event", *bad)
    assert replay(engine, PASSPHRASE) == ReplayResult(PAGE + 1, PAGE, [])
    assert _all(engine, "SELECT DISTINCT attempts FROM quarantine") == [(2,)]


def test_payload_as_the_node_sent_it_is_read_with_the_names_of_the_wire(engine: Engine) -> None:
    payload = {
        "id": Position(1000, 3, 1, 2).event_id,
        "type": "contract",
        "ledger": 1000,
        "ledgerClosedAt": "2026-07-21T18:01:10Z",
        "txHash": TX_HASH,
        "topic": [scval(symbol("x"))],
        "value": scval("void"),
        "inSuccessfulContractCall": True,
    }
    _set_aside(engine, "event", Malformed(msgspec.json.encode(payload).decode(), "a bug of ours"))
    assert replay(engine, PASSPHRASE).stored == 1
    assert _all(engine, "SELECT topics FROM events") == [([{"symbol": "x"}],)]
