import pytest
from stellar_sdk import xdr

from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.errors import DecodeError
from sorobanflow.sources.items import Transaction
from tests.unit.sep51 import read_result
from tests.unit.wire_items import make_body, make_result, make_transaction, result_xdr, sign

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
    "v1": {
        "ext": "v0",
        "total_non_refundable_resource_fee_charged": "11",
        "total_refundable_resource_fee_charged": "22",
        "rent_fee_charged": "5",
    }
}
EMPTY = {"tx_changes_before": [], "operations": [], "tx_changes_after": []}
META_V3 = {"ext": FEES, "events": [], "return_value": {"u32": 9}, "diagnostic_events": []}
META_V4 = {"ext": FEES, "return_value": None}


def meta(version: str, soroban_meta: object) -> str:
    late = {"events": [], "diagnostic_events": []} if version == "v4" else {}
    body = {"ext": "v0", **EMPTY, "soroban_meta": soroban_meta, **late}
    return xdr.TransactionMeta.from_json_dict({version: body}).to_xdr()


def soroban_transaction(meta_xdr: str) -> Transaction:
    return make_transaction({"tx": sign(make_body(ext=SOROBAN))}, result_meta_xdr=meta_xdr)


def test_decode_transaction_gives_envelope_and_result() -> None:
    decoded = decode_transaction(make_transaction())
    assert decoded.envelope.sequence == 77
    assert decoded.result.fee_charged == 100


@pytest.mark.parametrize(("version", "wanted"), [("v3", META_V3), ("v4", META_V4)])
def test_decode_transaction_reads_the_soroban_fees(version: str, wanted: object) -> None:
    decoded = decode_transaction(soroban_transaction(meta(version, wanted)))
    assert decoded.meta.soroban_fees == FEES


def test_decode_transaction_reads_the_meta_inside_a_fee_bump() -> None:
    inner = {"tx": sign(make_body(ext=SOROBAN))}
    outer = {
        "fee_source": make_body()["source_account"],
        "fee": "5",
        "inner_tx": inner,
        "ext": "v0",
    }
    item = make_transaction({"tx_fee_bump": sign(outer)}, result_meta_xdr=meta("v4", META_V4))
    assert decode_transaction(item).meta.soroban_fees == FEES


@pytest.mark.parametrize("meta_xdr", ["AAAAAAAAAAA=", meta("v4", None)])
def test_decode_transaction_takes_a_meta_without_soroban_part(meta_xdr: str) -> None:
    assert decode_transaction(soroban_transaction(meta_xdr)).meta.soroban_fees is None


@pytest.mark.parametrize("field", ["envelope_xdr", "result_xdr", "result_meta_xdr"])
def test_decode_transaction_refuses_bad_xdr(field: str) -> None:
    item = soroban_transaction(meta("v4", META_V4))
    setattr(item, field, bytes(3))
    with pytest.raises(DecodeError):
        decode_transaction(item)


PAID = {"op_inner": {"payment": "success"}}
INNER_HASH = "cd" * 32


def inner(code: object) -> dict[str, object]:
    result = {"fee_charged": "0", "result": code, "ext": "v0"}
    return {"transaction_hash": INNER_HASH, "result": result}


@pytest.mark.parametrize(
    "code",
    [
        "tx_bad_auth",
        "tx_bad_min_seq_age_or_gap",
        {"tx_success": [PAID]},
        {"tx_failed": ["op_no_account", PAID]},
        {"tx_fee_bump_inner_success": inner({"tx_success": [PAID]})},
        {"tx_fee_bump_inner_failed": inner({"tx_failed": ["op_bad_auth"]})},
        {"tx_fee_bump_inner_failed": inner("tx_no_account")},
    ],
)
def test_decode_transaction_spells_results_as_nodes_do(code: object) -> None:
    result = make_result(code)
    assert read_result(result_xdr(result)) == result
