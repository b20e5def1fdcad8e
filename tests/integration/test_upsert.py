"""Batches into a real PostgreSQL: whole, once, and side by side."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.errors import SchemaError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.calls import ContractCallRow
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.state_rows import TokenBalanceRow, TokenRow
from sorobanflow.rows.transactions import transaction_row
from sorobanflow.store.claims import Claims
from sorobanflow.store.coverage import Stream, open_stream, read_coverage
from sorobanflow.store.upsert import upsert_batch
from tests.unit.wire_items import make_transaction

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
CLOSED = datetime(2026, 1, 1, tzinfo=UTC)


def _event(ledger: int, index: int, value: str = '{"i128":"1"}') -> EventRow:
    tx_hash = ledger.to_bytes(32)
    return EventRow(
        CLOSED, ledger, 1, 0, index, False, True, tx_hash, None, '[{"symbol":"fee"}]', value,
    )  # fmt: skip


def _batch(first: int, last: int, events: list[EventRow]) -> BatchRows:
    batch = BatchRows(LedgerRange(first, last))
    batch.events = events
    batch.closed_at = {event.ledger: event.closed_at for event in events}
    return batch


FILLED = transaction_row(make_transaction(), decode_transaction(make_transaction()))._replace(
    ledger=5, closed_at=CLOSED
)


def _all(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def stream(engine: Engine) -> str:
    open_stream(engine, Stream())
    return "all"


def test_batch_stores_rows_coverage_and_counts(engine: Engine, stream: str) -> None:
    upsert_batch(engine, _batch(5, 9, [_event(5, 0), _event(5, 1), _event(7, 0)]), stream)
    assert _all(engine, "SELECT count(*) FROM events") == [(3,)]
    assert read_coverage(engine, stream).covered == ((5, 9),)
    ledgers = "SELECT sequence, transaction_count, event_count FROM ledgers ORDER BY 1"
    assert _all(engine, ledgers) == [(5, 0, 2), (7, 0, 1)]


def test_asset_of_a_token_is_kept_once_it_was_proved(engine: Engine, stream: str) -> None:
    for asset in (None, "native", None):
        batch = BatchRows(LedgerRange(5, 5))
        batch.tokens = [TokenRow("C1", asset), TokenRow("C2", None)]
        upsert_batch(engine, batch, stream)
    assert _all(engine, "SELECT * FROM tokens ORDER BY 1") == [("C1", "native"), ("C2", None)]


def test_empty_batch_covers_its_ledgers(engine: Engine, stream: str) -> None:
    upsert_batch(engine, _batch(1, 10_000, []), stream)
    assert read_coverage(engine, stream).covered == ((1, 10_000),)


def test_batch_again_changes_nothing(engine: Engine, stream: str, checksums: Checksums) -> None:
    batch = _batch(5, 5, [_event(5, index) for index in range(50)])
    upsert_batch(engine, batch, stream)
    before, versions = (
        checksums(engine),
        _all(engine, "SELECT event_index, xmin FROM stored.events ORDER BY ledger, event_index"),
    )
    upsert_batch(engine, batch, stream)
    assert checksums(engine) == before
    assert (
        _all(engine, "SELECT event_index, xmin FROM stored.events ORDER BY ledger, event_index")
        == versions
    )


def test_row_that_decodes_better_now_replaces_the_old_one(engine: Engine, stream: str) -> None:
    upsert_batch(engine, _batch(5, 5, [_event(5, 0, '"old"')]), stream)
    upsert_batch(engine, _batch(5, 5, [_event(5, 0, '"new"')]), stream)
    assert _all(engine, "SELECT value #>> '{}' FROM events") == [("new",)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"value": "not JSON"}, "invalid input syntax for type json"),
        ({"contract_id": "C\0"}, "invalid byte sequence"),
        ({"event_index": 2**31}, "value 2147483648 is out of range for type integer"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_bad_row_leaves_nothing_of_its_batch(
    bad: dict[str, Any], message: str, engine: Engine, stream: str
) -> None:
    batch = _batch(5, 5, [_event(5, 0), _event(5, 1)._replace(**bad)])
    with pytest.raises(Exception, match=message):
        upsert_batch(engine, batch, stream)
    assert _all(engine, "SELECT id FROM events") == []
    assert read_coverage(engine, stream).covered == ()
    upsert_batch(engine, _batch(5, 5, [_event(5, 0)]), stream)
    assert _all(engine, "SELECT count(*) FROM events") == [(1,)]


def test_batch_stores_its_state_with_the_rest_or_not_at_all(engine: Engine, stream: str) -> None:
    balance = TokenBalanceRow("C1", "G1", 5, True, None, None, "trustline", False, 5, 1, 1, 0)
    batch = _batch(5, 5, [_event(5, 0)])
    batch.token_balances = [balance, balance._replace(address="G2", ledger=2**31)]
    with pytest.raises(Exception, match="out of range for type integer"):
        upsert_batch(engine, batch, stream)
    assert _all(engine, "SELECT id FROM events") == []
    batch.token_balances = [balance]
    upsert_batch(engine, batch, stream)
    assert _all(engine, "SELECT contract_id, address, amount FROM token_balances") == [
        ("C1", "G1", 5)
    ]
    assert read_coverage(engine, stream).covered == ((5, 5),)


def test_batch_of_an_unopened_stream_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(SchemaError, match="nobody's"):
        upsert_batch(engine, _batch(5, 5, [_event(5, 0)]), "nobody's")
    assert _all(engine, "SELECT id FROM events") == []


def test_streams_side_by_side_count_each_others_rows(engine: Engine) -> None:
    names = ["all", "filter-a", "filter-b"]
    for name in names:
        open_stream(engine, Stream(name))

    def write(offset: int) -> None:
        for round_ in range(10):
            events = [_event(ledger, offset * 10 + round_) for ledger in range(1, 6)]
            upsert_batch(engine, _batch(1, 5, events), names[offset])

    threads = [threading.Thread(target=write, args=(offset,)) for offset in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _all(engine, "SELECT sequence, event_count FROM ledgers ORDER BY 1") == [
        (ledger, 30) for ledger in range(1, 6)
    ]


def _quarantined(key: str) -> QuarantineRow:
    return QuarantineRow("event", key, 5, '{"id": 1}', "DecodeError", "bad XDR")


def _calls(*counts: int) -> BatchRows:
    """Ledger 5 with a transaction for each number of contract calls."""
    batch = _batch(5, 5, [_event(5, 0)])
    for number, count in enumerate(counts, 1):
        row = FILLED._replace(hash=number.to_bytes(32), application_order=number)
        batch.transactions.append(row)
        call = ContractCallRow(
            CLOSED, 5, number, 0, 0, None, False, row.hash, "C1", "f", "[]", None, None,
        )  # fmt: skip
        batch.contract_calls += [call._replace(call_index=index) for index in range(count)]
    return batch


@pytest.mark.parametrize(
    ("again", "left"),
    [
        ((2, 3), {1: 2, 2: 3}),
        ((1, 3), {1: 1, 2: 3}),
        ((0, 4), {1: 2, 2: 4}),  # a source that tells the calls of some transactions
        ((0, 0), {1: 2, 2: 3}),  # one without diagnostics, or nobody asked for them
        ((0,), {1: 2}),  # the second transaction is gone
    ],
)
def test_replaced_ledger_keeps_the_calls_that_are_not_told_anew(
    again: tuple[int, ...], left: dict[int, int], engine: Engine, stream: str
) -> None:
    upsert_batch(engine, _calls(2, 3), stream)
    upsert_batch(engine, _calls(*again), stream, Claims())
    counted = "SELECT right(tx_hash, 1)::int, count(*) FROM contract_calls GROUP BY 1"
    assert dict(_all(engine, counted)) == left


def test_quarantine_keeps_the_payload_and_counts_attempts(engine: Engine, stream: str) -> None:
    batch = _batch(5, 5, [])
    batch.quarantine = [_quarantined("a")]
    upsert_batch(engine, batch, stream)
    upsert_batch(engine, batch, stream)
    query = "SELECT kind, key, ledger, payload, error_class, error, attempts FROM quarantine"
    assert _all(engine, query) == [("event", "a", 5, '{"id": 1}', "DecodeError", "bad XDR", 2)]


def test_quarantine_names_the_stream_that_met_the_item_last(engine: Engine, stream: str) -> None:
    open_stream(engine, Stream("filter-a"))
    batch = _batch(5, 5, [])
    batch.quarantine = [_quarantined("a")]
    for name in (stream, "filter-a"):
        upsert_batch(engine, batch, name)
        assert _all(engine, "SELECT stream FROM quarantine") == [(name,)]


def test_quarantine_releases_what_is_stored_after_all_and_nothing_else(
    engine: Engine, stream: str
) -> None:
    batch = _batch(5, 5, [])
    batch.quarantine = [_quarantined(_event(5, 0).id), _quarantined("digest")]
    upsert_batch(engine, batch, stream)
    upsert_batch(engine, _batch(5, 5, [_event(5, 0)]), stream)
    assert _all(engine, "SELECT key FROM quarantine") == [("digest",)]
