import itertools
from typing import Any

import pytest

from sorobanflow.errors import MassFailureError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.mass_failure import TOLERATED, refuse_mass_failure, shape_of
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Malformed, Transaction
from tests.unit.state_items import PASSPHRASE, account_item, make_meta, refund_event
from tests.unit.wire_items import (
    ALICE,
    BOB,
    make_event,
    make_transaction,
    numbered,
    with_its_hash,
)

LEDGERS = LedgerRange(1000, 1001)


def paying(
    ledger: int, order: int, balance: int, *, account: str = ALICE, refund: int = 0, **fields: Any
) -> Transaction:
    """A transaction that leaves an account with a balance, and may refund it afterwards."""
    events = (refund_event(account, refund),) if refund else ()
    meta = make_meta(account_item(account, balance), events=events)
    fields |= {"ledger": ledger, "application_order": order, "result_meta_xdr": meta}
    return with_its_hash(make_transaction(numbered(1000 * ledger + order), **fields), PASSPHRASE)


def batch_of(*transactions: Transaction | Malformed, **options: bool) -> BatchRows:
    return make_rows(LEDGERS, [], transactions, PASSPHRASE, **options)


def test_two_transactions_on_one_key_in_both_orders_of_arrival() -> None:
    one, two, three = paying(1000, 1, 10), paying(1000, 2, 20), paying(1001, 1, 30)
    for delivery in itertools.permutations((one, two, three)):
        batch = batch_of(*delivery)
        [row] = batch.account_entries
        assert (row.balance, row.ledger, row.tx_order) == (30, 1001, 1)
    [row] = batch_of(two, one).account_entries
    assert (row.balance, row.ledger, row.tx_order) == (20, 1000, 2)


def test_rows_of_state_are_in_the_order_of_their_keys() -> None:
    batch = batch_of(paying(1000, 1, 1, account=BOB), paying(1000, 2, 1, account=ALICE))
    for rows in batch.by_table().values():
        assert rows == sorted(rows)
    assert [row.account_id for row in batch.account_entries] == sorted([ALICE, BOB])
    assert len(batch.token_balances) == 2


def test_refunds_come_behind_all_transactions_of_their_ledger() -> None:
    batch = batch_of(
        paying(1000, 1, 100, refund=7), paying(1000, 2, 50), paying(1000, 3, 40, refund=2)
    )
    [row] = batch.account_entries
    assert (row.balance, row.ledger, row.tx_order, row.change_order) == (49, 1000, 1048575, 1)


def test_refund_of_one_ledger_is_in_the_entry_that_the_next_one_changes() -> None:
    [row] = batch_of(paying(1000, 1, 100, refund=7), paying(1001, 1, 90)).account_entries
    assert (row.balance, row.ledger) == (90, 1001)


def test_refunds_are_left_out_and_marked_where_not_all_transactions_are_known() -> None:
    [row] = batch_of(paying(1000, 1, 100, refund=7), whole=False).account_entries
    assert (row.balance, row.tx_order, row.refund_unknown) == (100, 1, True)
    bad = paying(1000, 2, 5, status="ODD")
    batch = batch_of(paying(1000, 1, 100, refund=7), bad)
    [row] = batch.account_entries
    assert (row.balance, row.refund_unknown, len(batch.quarantine)) == (100, True, 1)
    unread = Malformed('{"ledger":1001}', "bad")
    assert batch_of(paying(1000, 1, 100, refund=7), unread).account_entries[0].balance == 107


def test_filtered_stream_makes_no_state() -> None:
    batch = batch_of(paying(1000, 1, 100, refund=7), event_filter=EventFilter())
    assert {table for table, number in batch.counts().items() if number} == {
        "transactions",
        "operations",
    }


def test_transaction_with_a_bad_change_is_quarantined_whole() -> None:
    sound = paying(1000, 1, 10)
    broken = paying(1000, 2, 20, account=BOB)
    broken.result_meta_xdr = broken.result_meta_xdr[:-8]
    batch = batch_of(sound, broken)
    assert [row.hash.hex() for row in batch.transactions] == [sound.tx_hash]
    assert [row.account_id for row in batch.account_entries] == [ALICE]
    [row] = batch.quarantine
    assert (row.kind, row.key, row.error_class) == ("transaction", broken.tx_hash, "DecodeError")


def _many(bad: int, sound: int) -> BatchRows:
    items: list[Transaction | Malformed] = [paying(1000, order + 1, 1) for order in range(sound)]
    items += [paying(1001, order + 1, 1, status="ODD") for order in range(bad)]
    return batch_of(*items)


@pytest.mark.parametrize(("bad", "sound"), [(TOLERATED, 0), (TOLERATED + 1, 99), (0, 0)])
def test_few_bad_items_pass(bad: int, sound: int) -> None:
    refuse_mass_failure(_many(bad, sound))


def test_many_bad_items_stop_the_batch_and_name_their_shape() -> None:
    with pytest.raises(MassFailureError) as caught:
        refuse_mass_failure(_many(12, 100))
    message = str(caught.value)
    assert "12 of 112 transactions of ledgers 1000-1001 cannot be decoded" in message
    assert "12 of them with: DecodeError: status … does not agree with tx_success" in message
    assert "nothing of these ledgers was written" in message


def test_bad_events_are_counted_by_themselves() -> None:
    events = [make_event([], id=f"{index}") for index in range(20)]
    transactions = [paying(1000, order + 1, 1) for order in range(200)]
    batch = make_rows(LEDGERS, events, transactions, PASSPHRASE)
    with pytest.raises(MassFailureError, match="20 of 20 events"):
        refuse_mass_failure(batch)


def test_shape_of_an_error_has_no_particulars() -> None:
    first = shape_of(
        "DecodeError", f"event 0016010972359577600-0000000001 of {'ab' * 32}: '{ALICE}'"
    )
    second = shape_of(
        "DecodeError", f"event 0016010972359577601-0000000007 of {'cd' * 32}: '{BOB}'"
    )
    assert first == second == "DecodeError: event …-… of …: …"
