"""Whatever a node sends, every item ends as rows or in quarantine, and can be stored."""

import base64
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.quarantine import payload_of
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.toid import Position
from tests.unit.wire_items import ALICE, BOB, TOKEN, make_event, make_transaction, scval, symbol

LEDGERS = LedgerRange(1000, 1003)
PASSPHRASE = "Test SDF Network ; September 2015"

anything = st.text(st.characters(exclude_categories=()), max_size=80)
xdr = st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode())
ledgers = st.integers(999, 1004)
event_ids = st.builds(Position, ledgers, st.integers(0, 5), st.just(0), st.integers(0, 3)).map(
    lambda position: position.event_id
)
topics = st.sampled_from(
    [symbol("transfer"), symbol("mint"), {"address": ALICE}, {"address": BOB}, {"string": "native"}]
).map(scval)
values = st.sampled_from([{"i128": "5"}, "void", {"bool": True}]).map(scval)

events = st.builds(
    Event,
    id=event_ids | anything,
    type=st.sampled_from(["contract", "system"]) | anything,
    ledger=ledgers,
    ledger_closed_at=st.just("2026-07-21T18:01:10Z") | anything,
    tx_hash=st.just("ab" * 32) | anything,
    value=values | xdr | anything,
    contract_id=st.sampled_from([TOKEN, "", None]) | anything,
    topic=st.none() | st.lists(topics | xdr | anything, max_size=5),
    in_successful_contract_call=st.sampled_from([True, False, None]),
)
good = make_transaction()
transactions = st.builds(
    Transaction,
    tx_hash=st.sampled_from(["ab" * 32, "cd" * 32]) | anything,
    status=st.sampled_from(["SUCCESS", "FAILED"]) | anything,
    ledger=ledgers,
    application_order=st.integers(1, 5),
    fee_bump=st.booleans(),
    created_at=st.just(1784656870) | st.integers(),
    envelope_xdr=st.just(good.envelope_xdr) | st.binary(max_size=40),
    result_xdr=st.just(good.result_xdr) | st.binary(max_size=40),
    result_meta_xdr=st.just(good.result_meta_xdr) | st.binary(max_size=40),
)
malformed = st.builds(Malformed, payload=anything, error=anything)


def texts_of(batch: BatchRows) -> list[str]:
    tables = (
        batch.events,
        batch.transactions,
        batch.operations,
        batch.token_operations,
        batch.quarantine,
    )
    return [value for rows in tables for row in rows for value in row if isinstance(value, str)]


@settings(max_examples=100, deadline=None)
@given(st.lists(events | malformed, max_size=6), st.lists(transactions | malformed, max_size=6))
def test_make_rows_loses_nothing_and_never_raises(
    some_events: list[Any], some_transactions: list[Any]
) -> None:
    batch = make_rows(LEDGERS, some_events, some_transactions, PASSPHRASE)
    for kind, items, stored in (
        ("event", some_events, {row.id for row in batch.events}),
        ("transaction", some_transactions, {row.hash.hex() for row in batch.transactions}),
    ):
        quarantined = [row for row in batch.quarantine if row.kind == kind]
        # Equal items are one; two under the same key are a row and a quarantine row.
        distinct = {repr(item) for item in items}
        assert len(stored) + len(quarantined) <= len(distinct)
        for item in items:
            key = getattr(item, "id", None) or getattr(item, "tx_hash", None)
            assert key in stored or any(_holds(row.payload, item) for row in quarantined)
    for row in (*batch.events, *batch.transactions, *batch.quarantine):
        assert LEDGERS.holds(row.ledger)
    for text in texts_of(batch):
        assert "\0" not in text
        text.encode()


def _holds(payload: str, item: Any) -> bool:
    return payload == payload_of(item)


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=5), st.lists(transactions, max_size=5))
def test_make_rows_of_items_delivered_twice_is_the_same(
    some_events: list[Event], some_transactions: list[Transaction]
) -> None:
    once = make_rows(LEDGERS, some_events, some_transactions, PASSPHRASE)
    twice = make_rows(LEDGERS, some_events * 2, some_transactions * 2, PASSPHRASE)
    assert vars(twice) == vars(once)


@settings(max_examples=100, deadline=None)
@given(st.integers(-(2**127), 2**127 - 1))
def test_every_i128_is_stored_exactly(amount: int) -> None:
    topics = [symbol("burn"), {"address": ALICE}]
    batch = make_rows(LEDGERS, [make_event(topics, {"i128": str(amount)})], [], PASSPHRASE)
    assert [row.amount for row in batch.token_operations] == [amount]
