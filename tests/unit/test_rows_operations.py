import json
from datetime import UTC, datetime
from typing import Any

import pytest
from stellar_sdk import StrKey

from sorobanflow.decode.codes import OPERATION_TYPES
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.operations import OperationRow, operation_rows
from sorobanflow.rows.transactions import transaction_row
from tests.unit.wire_items import (
    ALICE,
    ALICE_MUXED,
    BOB,
    CREATE_ACCOUNT,
    PAYMENT,
    TX_HASH,
    make_body,
    make_result,
    make_transaction,
    sign,
)

LAST = {"destination": BOB, "asset": "native", "amount": "7"}
CLAIMABLE = StrKey.encode_claimable_balance(bytes(33))


def rows_of(
    operations: list[Any], code: Any, status: str = "FAILED", **changes: Any
) -> list[OperationRow]:
    envelope = {"tx": sign(make_body(operations, **changes))}
    item = make_transaction(envelope, make_result(code), status=status)
    decoded = decode_transaction(item)
    return operation_rows(transaction_row(item, decoded), decoded)


def op(body: Any, source: str | None = None) -> dict[str, Any]:
    return {"source_account": source, "body": body}


def test_operation_row_has_every_column() -> None:
    code = {"txsuccess": [{"opinner": {"payment": "success"}}]}
    assert rows_of([op(PAYMENT)], code, "SUCCESS") == [
        OperationRow(
            closed_at=datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC),
            ledger=1000,
            application_order=3,
            op_index=0,
            type=1,
            successful=True,
            tx_hash=bytes.fromhex(TX_HASH),
            source_account=ALICE,
            source_muxed_id=None,
            details=f'{{"destination":"{BOB}","asset":"native","amount":"7"}}',
            result_code=None,
            result=None,
        )
    ]


def test_operation_rows_keep_order_and_results() -> None:
    offer = {
        "manage_sell_offer": {
            "selling": "native",
            "buying": {"credit_alphanum4": {"asset_code": "USD", "issuer": BOB}},
            "amount": "1",
            "price": {"n": 1, "d": 2},
            "offer_id": "0",
        }
    }
    sold = {"success": {"offers_claimed": [], "offer": "deleted"}}
    code = {
        "txfailed": [
            {"opinner": {"create_account": "already_exist"}},
            {"opinner": {"manage_sell_offer": sold}},
            "opbad_auth",
            {"opinner": {"inflation": "not_time"}},
            "optoo_many_subentries",
        ]
    }
    operations = [op(CREATE_ACCOUNT), op(offer), op(PAYMENT), op("inflation"), op(PAYMENT)]
    rows = rows_of(operations, code)
    assert [row.result for row in rows] == [
        *(None, '{"offers_claimed":[],"offer":"deleted"}', None, None, None),
    ]
    assert [(row.op_index, OPERATION_TYPES[row.type], row.result_code) for row in rows] == [
        (0, "create_account", "already_exist"),
        (1, "manage_sell_offer", "success"),
        (2, "payment", "op_bad_auth"),
        (3, "inflation", "not_time"),
        (4, "payment", "op_too_many_subentries"),
    ]
    assert not any(row.successful for row in rows)


@pytest.mark.parametrize("name", ["inflation", "end_sponsoring_future_reserves"])
def test_operation_without_fields_has_null_details(name: str) -> None:
    [row] = rows_of([op(name)], "txbad_seq")
    assert (OPERATION_TYPES[row.type], row.details) == (name, "null")


def test_operation_whose_body_is_no_object_has_it_as_details() -> None:
    [row] = rows_of([op({"account_merge": BOB})], "txbad_seq")
    assert (OPERATION_TYPES[row.type], row.details) == ("account_merge", f'"{BOB}"')


def test_operation_has_its_own_source_or_the_transactions() -> None:
    operations = [op(PAYMENT), op(PAYMENT, BOB), op(PAYMENT, ALICE_MUXED)]
    first, second, third = rows_of(operations, "txbad_seq")
    assert (first.source_account, first.source_muxed_id) == (ALICE, None)
    assert (second.source_account, second.source_muxed_id) == (BOB, None)
    assert (third.source_account, third.source_muxed_id) == (ALICE, 18446744073709551615)


def test_operation_inherits_a_muxed_source() -> None:
    [row] = rows_of([op(PAYMENT)], "txbad_seq", source_account=ALICE_MUXED)
    assert (row.source_account, row.source_muxed_id) == (ALICE, 18446744073709551615)


def test_operations_that_were_not_applied_have_no_result() -> None:
    rows = rows_of([op(PAYMENT), op(PAYMENT)], "txbad_seq")
    assert [(row.result_code, row.result) for row in rows] == [(None, None)] * 2


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("account_merge", "9223372036854775807"),
        ("inflation", [{"destination": BOB, "amount": "7"}]),
        ("create_claimable_balance", CLAIMABLE),
        ("invoke_host_function", "ab" * 32),
        ("path_payment_strict_send", {"offers": [], "last": LAST}),
    ],
)
def test_operation_has_what_its_result_holds(kind: str, content: Any) -> None:
    code = {"tx_success": [{"op_inner": {kind: {"success": content}}}]}
    [row] = rows_of([op(PAYMENT)], code, "SUCCESS")
    assert row.result is not None
    assert (row.result_code, json.loads(row.result)) == (None, content)


def test_operation_names_the_asset_without_an_issuer() -> None:
    asset = {"credit_alphanum4": {"asset_code": "USD", "issuer": BOB}}
    code = {"tx_failed": [{"op_inner": {"path_payment_strict_send": {"no_issuer": asset}}}]}
    [row] = rows_of([op(PAYMENT)], code)
    assert row.result is not None
    assert (row.result_code, json.loads(row.result)) == ("no_issuer", asset)


def test_operations_of_a_fee_bump_have_the_inner_results() -> None:
    inner = {"tx": sign(make_body([op(PAYMENT)]))}
    body = {"fee_source": BOB, "fee": "400", "inner_tx": inner, "ext": "v0"}
    result = {"txfailed": [{"opinner": {"payment": "no_trust"}}]}
    pair = {
        "transaction_hash": "cd" * 32,
        "result": {"fee_charged": "0", "result": result, "ext": "v0"},
    }
    outer = make_result({"txfee_bump_inner_failed": pair})
    item = make_transaction({"tx_fee_bump": sign(body)}, outer, status="FAILED")
    decoded = decode_transaction(item)
    [row] = operation_rows(transaction_row(item, decoded), decoded)
    assert (row.source_account, row.result_code, row.successful) == (ALICE, "no_trust", False)


@pytest.mark.parametrize("count", [0, 2])
def test_operations_must_have_as_many_results(count: int) -> None:
    code = {"txsuccess": [{"opinner": {"payment": "success"}}] * count}
    with pytest.raises(DecodeError, match=f"{count} results for 1 operations"):
        rows_of([op(PAYMENT)], code, "SUCCESS")
