"""Inclusion fee and refund, from each of the places that may tell them."""

from typing import Any

import pytest

from sorobanflow.decode.changes import Meta, Refund
from sorobanflow.decode.close_meta import FeeChanges
from sorobanflow.rows.transaction_entry import TransactionEntry
from sorobanflow.rows.transactions import TransactionRow, transaction_row
from tests.unit.wire_items import (
    ALICE,
    CAROL,
    decoded_with,
    make_body,
    make_result,
    make_transaction,
    sign,
)

SOROBAN = {
    "v1": {
        "ext": "v0",
        "resources": {
            "footprint": {"read_only": [], "read_write": []},
            "instructions": 0,
            "disk_read_bytes": 0,
            "write_bytes": 0,
        },
        "resource_fee": "1000",
    }
}
#: Of a resource fee of 1000, 600 were used.
STATED = {
    "v1": {
        "total_non_refundable_resource_fee_charged": "500",
        "total_refundable_resource_fee_charged": "100",
        "rent_fee_charged": "0",
    }
}
SILENT = Meta("v0", [], [], states_refunds=False)


def row_of(meta: Meta, charged: int, fee_bump: bool = False, **body: Any) -> TransactionRow:
    inner = sign(make_body(**{"ext": SOROBAN} | body))
    outer = {"fee_source": CAROL, "fee": "5000", "inner_tx": {"tx": inner}, "ext": "v0"}
    envelope = {"tx_fee_bump": sign(outer)} if fee_bump else {"tx": inner}
    result = make_result(fee_charged=str(charged))
    return transaction_row(make_transaction(), decoded_with(meta, envelope, result))


def parts(row: TransactionRow) -> tuple[int | None, int | None]:
    return row.inclusion_fee_charged, row.resource_fee_refund


def test_inclusion_fee_of_a_classic_transaction_goes_without_saying() -> None:
    assert parts(row_of(Meta(None, [], []), 150, ext="v0")) == (None, None)


@pytest.mark.parametrize(
    "meta",
    [
        Meta(STATED, [], []),  # SorobanTransactionMetaExtV1
        Meta(STATED, [], [], states_refunds=False, refund_after=None),
        Meta("v0", [], [], refund_after=400),  # before protocol 23, without classic events
        SILENT._replace(refund_after=400),  # the same, in a meta V4
        Meta("v0", [], [Refund(ALICE, 400)]),  # since protocol 23, with fee events
        Meta("v0", [], [Refund(ALICE, 150), Refund(ALICE, 250)]),
        Meta(None, [], [Refund(ALICE, 400)]),  # failed: there is no SorobanTransactionMeta
    ],
)
def test_fee_charged_is_inclusion_and_resource_fee_less_the_refund(meta: Meta) -> None:
    assert parts(row_of(meta, 723)) == (123, 400)


def test_nothing_is_refunded_where_events_or_changes_would_say_so() -> None:
    assert parts(row_of(Meta("v0", [], []), 1123)) == (123, 0)


@pytest.mark.parametrize(
    "meta",
    [
        SILENT,  # there may be a refund after all transactions
        Meta("v0", [], [], refund_after=None),
        Meta("v0", [], [Refund(ALICE, 2**127)]),
        Meta("v0", [], [], refund_after=-1),
    ],
)
def test_parts_are_null_where_the_meta_does_not_tell_them(meta: Meta) -> None:
    assert parts(row_of(meta, 723)) == (None, None)


def test_more_than_was_paid_cannot_be_refunded() -> None:
    fees = {"v1": STATED["v1"] | {"total_refundable_resource_fee_charged": str(-(2**63))}}
    assert parts(row_of(Meta(fees, [], []), 723)) == (None, None)
    assert parts(row_of(Meta(STATED, [], []), 500)) == (None, 400)  # not even the resources


@pytest.mark.parametrize(
    ("meta", "charged", "inclusion"),
    [
        (Meta(STATED, [], []), 800, 200),  # since protocol 21: below the resource fee
        (Meta(STATED, [], []), 1200, None),  # 600 since protocol 21, 200 in protocol 20
        (Meta(STATED, [], [Refund(ALICE, 400)]), 1200, 600),  # since protocol 23
    ],
)
def test_charge_of_a_fee_bump_may_leave_out_the_refund(
    meta: Meta, charged: int, inclusion: int | None
) -> None:
    assert parts(row_of(meta, charged, fee_bump=True)) == (inclusion, 400)


@pytest.mark.parametrize(
    ("meta", "fees", "wanted"),
    [
        (SILENT, FeeChanges([], [], 1123, 400), (123, 400)),
        (SILENT._replace(refund_after=400), FeeChanges([], [], 1123, 0), (123, 400)),
        (SILENT, FeeChanges([], [], 1123, None), (123, None)),
        (SILENT, FeeChanges([], [], None, 400), (None, None)),
        (SILENT, FeeChanges([], [], 2**64, 2**64), (None, None)),
        (Meta(STATED, [], []), FeeChanges([], [], 1123, 7), (123, 400)),
    ],
)
def test_whole_ledger_tells_what_the_meta_leaves_open(
    meta: Meta, fees: FeeChanges, wanted: tuple[int | None, int | None]
) -> None:
    entry = TransactionEntry(row_of(meta, 723), [], [], meta, [])
    assert parts(entry.with_fees(fees).row) == wanted


def test_whole_ledger_tells_the_charge_of_a_fee_bump() -> None:
    meta = Meta(STATED, [], [])
    entry = TransactionEntry(row_of(meta, 1200, fee_bump=True), [], [], meta, [])
    assert parts(entry.with_fees(FeeChanges([], [], 1200, 0)).row) == (200, 400)
