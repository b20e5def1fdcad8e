from datetime import UTC, datetime
from typing import Any

import pytest

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.transactions import TransactionRow, transaction_row
from sorobanflow.sources.items import Transaction
from tests.unit.wire_items import (
    ALICE,
    ALICE_MUXED,
    BOB,
    CAROL,
    TX_HASH,
    decoded_with,
    make_body,
    make_result,
    make_transaction,
    sign,
)

NO_CHANGES = Meta(None, [], [])
INNER_HASH = "cd" * 32
PRE_AUTH = "TABQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQG35T"
HASH_X = "XACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAJQQH"


def row_of(transaction: Transaction) -> TransactionRow:
    return transaction_row(transaction, decode_transaction(transaction))


def row_with(**changes: Any) -> TransactionRow:
    return row_of(make_transaction({"tx": sign(make_body(**changes))}))


def fee_bump(fee: str = "400", fee_source: str = CAROL, **changes: Any) -> dict[str, Any]:
    inner = sign(make_body(**changes), "01010101", "aa")
    body = {"fee_source": fee_source, "fee": fee, "inner_tx": {"tx": inner}, "ext": "v0"}
    return {"tx_fee_bump": sign(body, "02020202", "bb")}


def packed(hint: str, signature: str) -> bytes:
    length = len(signature) // 2
    return bytes.fromhex(hint) + bytes([length]) + bytes.fromhex(signature) + bytes(64 - length)


def inner_result(outer: str, inner: Any) -> dict[str, Any]:
    result = {"fee_charged": "0", "result": inner, "ext": "v0"}
    return make_result({outer: {"transaction_hash": INNER_HASH, "result": result}}, "300")


def test_transaction_row_has_every_column() -> None:
    row = row_of(make_transaction())
    assert row == TransactionRow(
        closed_at=datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC),
        fee_bid=100,
        fee_charged=100,
        sequence=77,
        ledger=1000,
        application_order=3,
        operation_count=1,
        successful=True,
        fee_bump=False,
        hash=bytes.fromhex(TX_HASH),
        signatures=packed("0a0b0c0d", "beef"),
        source_account=ALICE,
    )
    assert set(row[row._fields.index("source_account") + 1 :]) == {None}
    assert row.payer == ALICE


def test_transaction_row_splits_a_muxed_source() -> None:
    row = row_with(source_account=ALICE_MUXED)
    assert (row.source_account, row.source_muxed_id) == (ALICE, 18446744073709551615)
    assert (row.fee_account, row.fee_account_muxed_id) == (None, 18446744073709551615)


@pytest.mark.parametrize(
    ("memo", "wanted"),
    [
        ("none", (None, None)),
        ({"text": r"nul\0 back\\slash \xc3\xa9"}, ("text", r"nul\0 back\\slash \xc3\xa9")),
        ({"text": ""}, ("text", "")),
        ({"id": "18446744073709551615"}, ("id", "18446744073709551615")),
        ({"hash": "0f" * 32}, ("hash", "0f" * 32)),
        ({"return": "f0" * 32}, ("return", "f0" * 32)),
    ],
)
def test_transaction_row_keeps_the_memo(memo: Any, wanted: tuple[str | None, str | None]) -> None:
    row = row_with(memo=memo)
    assert (row.memo_type, row.memo) == wanted


def conditions(row: TransactionRow) -> tuple[Any, ...]:
    start = row._fields.index("min_time")
    return row[start : start + 8]


def test_transaction_row_reads_time_bounds() -> None:
    bounds = {"min_time": "5", "max_time": "18446744073709551615"}
    row = row_with(cond={"time": bounds})
    assert conditions(row) == (5, 18446744073709551615, None, None, None, None, None, None)


def test_transaction_row_reads_all_conditions() -> None:
    everything = {
        "time_bounds": {"min_time": "1", "max_time": "0"},
        "ledger_bounds": {"min_ledger": 2, "max_ledger": 4294967295},
        "min_seq_num": "-9223372036854775808",
        "min_seq_age": "18446744073709551615",
        "min_seq_ledger_gap": 4294967295,
        "extra_signers": [PRE_AUTH, HASH_X],
    }
    assert conditions(row_with(cond={"v2": everything})) == (
        1,
        0,
        2,
        4294967295,
        -9223372036854775808,
        18446744073709551615,
        4294967295,
        f'["{PRE_AUTH}","{HASH_X}"]',
    )


def test_transaction_row_reads_conditions_that_state_nothing() -> None:
    nothing = {
        "time_bounds": None,
        "ledger_bounds": None,
        "min_seq_num": None,
        "min_seq_age": "0",
        "min_seq_ledger_gap": 0,
        "extra_signers": [],
    }
    assert conditions(row_with(cond={"v2": nothing})) == (None,) * 5 + (0, 0, "[]")


@pytest.mark.parametrize(
    ("bounds", "wanted"),
    [(None, (None, None)), ({"min_time": "0", "max_time": "9"}, (0, 9))],
)
def test_transaction_row_reads_a_v0_envelope(bounds: Any, wanted: tuple[Any, Any]) -> None:
    body = make_body()
    del body["source_account"], body["cond"]
    key = "d5bf4a3fcce717b0388bcc2749ebc148ad9969b23f45ee1b605fd58778576ac4"
    envelope = {"tx_v0": sign(body | {"source_account_ed25519": key, "time_bounds": bounds})}
    row = row_of(make_transaction(envelope))
    assert (row.source_account, row.fee_account, row.fee_bid) == (ALICE, None, 100)
    assert (row.min_time, row.max_time) == wanted


def test_transaction_row_of_a_fee_bump() -> None:
    payment = {"txsuccess": [{"opinner": {"payment": "success"}}]}
    result = inner_result("txfee_bump_inner_success", payment)
    row = row_of(make_transaction(fee_bump(memo={"text": "inner"}), result))
    assert (row.fee_bump, row.successful) == (True, True)
    assert (row.source_account, row.fee_account, row.payer) == (ALICE, CAROL, CAROL)
    assert (row.sequence, row.memo) == (77, "inner")
    assert (row.fee_bid, row.inner_fee_bid, row.fee_charged) == (400, 100, 300)
    assert (row.result_code, row.inner_result_code) == ("tx_fee_bump_inner_success", "tx_success")
    assert row.inner_hash == bytes.fromhex(INNER_HASH)
    assert row.signatures == packed("02020202", "bb")
    assert row.inner_signatures == packed("01010101", "aa")


def test_transaction_row_of_a_fee_bump_with_two_muxed_accounts() -> None:
    payment = {"txsuccess": [{"opinner": {"payment": "success"}}]}
    envelope = fee_bump(fee_source=ALICE_MUXED, source_account=BOB)
    result = inner_result("txfee_bump_inner_success", payment)
    row = row_of(make_transaction(envelope, result))
    assert (row.source_account, row.source_muxed_id) == (BOB, None)
    assert (row.fee_account, row.fee_account_muxed_id) == (ALICE, 18446744073709551615)


def test_transaction_row_of_a_fee_bump_whose_inner_one_failed() -> None:
    result = inner_result("txfee_bump_inner_failed", "txbad_seq")
    row = row_of(make_transaction(fee_bump(), result, status="FAILED"))
    assert (row.successful, row.result_code) == (False, "tx_fee_bump_inner_failed")
    assert (row.inner_hash, row.inner_result_code) == (bytes.fromhex(INNER_HASH), "tx_bad_seq")


def test_transaction_row_of_a_fee_bump_that_failed_itself() -> None:
    result = make_result("txinsufficient_balance")
    row = row_of(make_transaction(fee_bump(), result, status="FAILED"))
    assert (row.result_code, row.inner_hash) == ("tx_insufficient_balance", None)
    assert row.inner_result_code is None


def test_transaction_row_takes_fees_over_two_to_the_31() -> None:
    payment = {"txsuccess": [{"opinner": {"payment": "success"}}]}
    result = inner_result("txfee_bump_inner_success", payment)
    envelope = fee_bump("9223372036854775807")
    envelope["tx_fee_bump"]["tx"]["inner_tx"]["tx"]["tx"]["fee"] = 4294967295
    result["fee_charged"] = "9223372036854775806"
    row = row_of(make_transaction(envelope, result))
    assert row.fee_bid == 9223372036854775807
    assert row.inner_fee_bid == 4294967295
    assert row.fee_charged == 9223372036854775806


SOROBAN = {
    "v1": {
        "ext": "v0",
        "resources": {
            "footprint": {"read_only": [], "read_write": []},
            "instructions": 1,
            "disk_read_bytes": 2,
            "write_bytes": 3,
        },
        "resource_fee": "50060468",
    }
}
FEES = {
    "ext": "v0",
    "total_non_refundable_resource_fee_charged": "11",
    "total_refundable_resource_fee_charged": "22",
    "rent_fee_charged": "5",
}


@pytest.mark.parametrize(
    ("fees", "wanted"),
    [
        ({"v1": FEES}, (11, 22, 5)),
        ("v0", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_transaction_row_reads_soroban_columns(fees: Any, wanted: tuple[Any, ...]) -> None:
    meta = Meta(fees, [], [])
    decoded = decoded_with(meta, {"tx": sign(make_body(ext=SOROBAN))})
    row = transaction_row(make_transaction(), decoded)
    assert row.soroban_resource_fee == 50060468
    assert row.soroban_resources == (
        '{"footprint":{"read_only":[],"read_write":[]},'
        '"instructions":1,"disk_read_bytes":2,"write_bytes":3}'
    )
    start = row._fields.index("non_refundable_fee_charged")
    assert row[start : start + 3] == wanted


def test_transaction_row_has_the_archived_entries_that_it_restores() -> None:
    restoring = {"v1": {**SOROBAN["v1"], "ext": {"v1": {"archived_soroban_entries": [0, 7]}}}}
    for ext, wanted in ((SOROBAN, None), (restoring, "[0,7]")):
        decoded = decoded_with(NO_CHANGES, {"tx": sign(make_body(ext=ext))})
        row = transaction_row(make_transaction(), decoded)
        assert row.soroban_archived_entries == wanted


CALL = {"invoke_host_function": {"host_function": {"upload_contract_wasm": ""}, "auth": []}}
TRAPPED = {"tx_failed": [{"op_inner": {"invoke_host_function": "trapped"}}]}


@pytest.mark.parametrize(
    ("body", "result", "value", "wanted"),
    [
        (CALL, make_result(), {"i128": "-7"}, '{"i128":"-7"}'),
        (CALL, make_result(), "void", '"void"'),
        (CALL, make_result(), None, None),
        (CALL, make_result(TRAPPED), "void", None),
        ({"extend_footprint_ttl": {"ext": "v0", "extend_to": 1}}, make_result(), "void", None),
    ],
)
def test_transaction_row_has_what_a_contract_call_returned(
    body: Any, result: Any, value: Any, wanted: str | None
) -> None:
    operations = [{"source_account": None, "body": body}]
    meta = NO_CHANGES._replace(return_value=value)
    decoded = decoded_with(meta, {"tx": sign(make_body(operations))}, result)
    status = "FAILED" if "tx_failed" in result["result"] else "SUCCESS"
    assert transaction_row(make_transaction(status=status), decoded).return_value == wanted


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (make_result(), "FAILED"),
        (make_result("txbad_seq"), "SUCCESS"),
        (make_result(), "NOT_FOUND"),
        (make_result(), "success"),
    ],
)
def test_transaction_row_refuses_a_status_that_disagrees(result: Any, status: str) -> None:
    with pytest.raises(DecodeError, match="does not agree"):
        row_of(make_transaction(result=result, status=status))


@pytest.mark.parametrize("changes", [{"tx_hash": "x"}, {"created_at": 10**20}])
def test_transaction_row_refuses_a_bad_field(changes: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        row_of(make_transaction(**changes))
