"""Every arm of an SCVal, at its extremes, and what a hostile one does."""

import time

import pytest
from stellar_sdk import StrKey, xdr

from sorobanflow.decode.reader import Json
from sorobanflow.decode.scval import MAX_DEPTH, SC_VAL, read_scval
from sorobanflow.errors import DecodeError
from tests.unit.wire_items import ALICE, ALICE_MUXED, TOKEN

HASH = "ab" * 32
BALANCE = StrKey.encode_claimable_balance(bytes(1) + bytes.fromhex(HASH))
POOL = StrKey.encode_liquidity_pool(bytes.fromhex(HASH))
ERROR_TYPES = [
    *("wasm_vm", "context", "storage", "object", "crypto", "events", "budget", "value", "auth")
]
ERROR_CODES = [code.to_json_dict() for code in xdr.SCErrorCode]
VOID = bytes.fromhex("00000001")
VEC_OF_ONE = bytes.fromhex("00000010 00000001 00000001")
MAP_OF_ONE = bytes.fromhex("00000011 00000001 00000001 00000001")  # a void key
VEC_OF_MANY = bytes.fromhex("00000010 00000001 ffffffff")


def skip(data: bytes) -> int:
    return SC_VAL.skip(data, 0)


@pytest.mark.parametrize(
    "value",
    [
        *({"bool": True}, {"bool": False}, "void", {"u32": 0}, {"u32": 2**32 - 1}),
        *({"i32": -(2**31)}, {"i32": 2**31 - 1}, {"u64": str(2**64 - 1)}, {"u64": "0"}),
        *({"i64": str(-(2**63))}, {"i64": str(2**63 - 1)}, {"timepoint": str(2**64 - 1)}),
        *({"duration": "0"}, {"u128": "0"}, {"u128": str(2**128 - 1)}, {"i128": "-1"}),
        *({"i128": str(-(2**127))}, {"i128": str(2**127 - 1)}, {"u256": str(2**256 - 1)}),
        *({"i256": str(-(2**255))}, {"i256": str(2**255 - 1)}, {"i256": "-1"}, {"u256": "0"}),
        *({"bytes": ""}, {"bytes": "00"}, {"bytes": "ff" * 65536}, {"string": ""}),
        *({"string": r"a\0b\xff\\"}, {"symbol": ""}, {"symbol": "a" * 32}, {"symbol": r"\0\xff"}),
        *({"vec": []}, {"vec": ["void", {"vec": [{"u32": 1}]}, "void"]}, {"map": []}),
        {"map": [{"key": {"symbol": "a"}, "val": {"map": [{"key": "void", "val": "void"}]}}]},
        *({"address": it} for it in (ALICE, TOKEN, ALICE_MUXED, BALANCE, POOL)),
        {"contract_instance": {"executable": {"wasm": HASH}, "storage": None}},
        {"contract_instance": {"executable": "stellar_asset", "storage": []}},
        {
            "contract_instance": {
                "executable": {"external_ref": {"executable_owner": TOKEN, "tag": "v1"}},
                "storage": [{"key": {"symbol": "a"}, "val": {"u32": 1}}],
            }
        },
        *("ledger_key_contract_instance", {"ledger_key_nonce": {"nonce": str(-(2**63))}}),
        *({"executable_tag": "v1"}, {"error": {"contract": 2**32 - 1}}),
        *({"error": {kind: "arith_domain"}} for kind in ERROR_TYPES),
        *({"error": {"auth": code}} for code in ERROR_CODES),
    ],
    ids=lambda value: str(value)[:40],
)
def test_read_scval_gives_the_sep_51_form(value: Json) -> None:
    data = xdr.SCVal.from_json_dict(value).to_xdr_bytes()
    assert read_scval(data) == value
    assert skip(data) == len(data)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("00000010 00000000", {"vec": None}),
        ("00000011 00000000", {"map": None}),
        ("00000010 00000001 00000001 00000011 00000000", {"vec": [{"map": None}]}),
    ],
)
def test_read_scval_gives_null_for_an_absent_vec_or_map(data: str, wanted: Json) -> None:
    raw = bytes.fromhex(data)
    assert read_scval(raw) == wanted
    assert skip(raw) == len(raw)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "ends within a value"),
        ("00000003", "ends within a value"),
        ("00000003 00000001 00000000", "ends at byte 8 of 12"),
        ("0000000a 00000001", "ends within a value"),
        ("00000017", "SCVal has no arm 23"),
        ("ffffffff", "SCVal has no arm 4294967295"),
        ("00000000 00000002", "flag 2"),
        ("00000002 0000000a 00000000", "SCError has no arm 10"),
        ("00000002 00000001 0000000a", "SCErrorCode has no value 10"),
        ("00000010 00000002 00000000", "flag 2"),
        ("00000010 00000001 ffffffff 00000001", "more than the bytes left"),
        ("00000011 00000001 00000001 00000001", "ends within a value"),
        ("0000000d ffffffff 00000000", "ends at byte"),
        ("0000000e 00000001 61000001", "padding at byte 9 is not zero"),
        ("0000000f 00000021" + "61" * 36, "at most 32"),
        ("00000012 00000005", "SCAddress has no arm 5"),
        ("00000012 00000000 00000001" + HASH, "PublicKey has no arm 1"),
        ("00000012 00000003 00000001" + HASH, "ClaimableBalanceID has no arm 1"),
        ("00000012 00000001" + HASH[:32], "ends within a value"),
        ("00000013 00000003", "ContractExecutable has no arm 3"),
    ],
)
def test_read_scval_refuses(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=rf"^cannot decode SCVal \(.*{reason}"):
        read_scval(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("00000017", "SCVal has no arm 23"),
        ("00000002 0000000a 00000000", "SCError has no arm 10"),
        ("00000002 00000001 0000000a", "SCErrorCode has no value 10"),
        ("00000010 00000001 ffffffff 00000001", "more than the bytes left"),
        ("0000000e 00000001 61000001", "padding"),
        ("0000000f 00000021" + "61" * 36, "at most 32"),
        ("00000012 00000005", "SCAddress has no arm 5"),
        ("00000013 00000003", "ContractExecutable has no arm 3"),
    ],
)
def test_skipping_refuses_too(data: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        skip(bytes.fromhex(data))


@pytest.mark.parametrize("container", [VEC_OF_ONE, MAP_OF_ONE], ids=["vec", "map"])
def test_values_nest_to_the_limit(container: bytes) -> None:
    data = container * MAX_DEPTH + VOID
    value = read_scval(data)
    for _ in range(MAX_DEPTH):
        value = value["vec"][0] if "vec" in value else value["map"][0]["val"]
    assert value == "void"
    assert skip(data) == len(data)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 10_000])
@pytest.mark.parametrize("container", [VEC_OF_ONE, MAP_OF_ONE], ids=["vec", "map"])
def test_values_do_not_nest_deeper(container: bytes, depth: int) -> None:
    data = container * depth + VOID
    with pytest.raises(DecodeError, match="SCVal nests deeper than 200"):
        read_scval(data)
    with pytest.raises(ValueError, match="SCVal nests deeper than 200"):
        skip(data)


def test_counts_cost_nothing() -> None:
    data = VEC_OF_MANY.replace(b"\xff" * 4, (4096).to_bytes(4, "big")) * 100 + VOID * 4096
    begin = time.process_time()
    with pytest.raises(DecodeError):
        read_scval(data)
    assert time.process_time() - begin < 0.5


def test_read_scval_refuses_a_value_cut_anywhere() -> None:
    data = xdr.SCVal.from_json_dict({"vec": [{"i128": "5"}, {"symbol": "abc"}]}).to_xdr_bytes()
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            read_scval(data[:size])
