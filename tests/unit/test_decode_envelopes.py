"""Envelopes and results: where stellar-xdr's spelling is its own, the limits, and what nests."""

import base64
from typing import Any

import pytest
from stellar_sdk import xdr

from sorobanflow.decode.entry_types import MAX_PREDICATE_DEPTH
from sorobanflow.decode.reader import Json
from sorobanflow.decode.soroban_types import MAX_INVOCATION_DEPTH
from sorobanflow.errors import DecodeError
from tests.unit.sep51 import read_envelope, read_result
from tests.unit.wire_items import ALICE, ALICE_MUXED, BOB, PAYMENT, TOKEN, make_body, sign

USD = {"credit_alphanum4": {"asset_code": "USD", "issuer": ALICE}}


def envelope_of(body: Any, source: str | None = None) -> str:
    """An envelope with one operation, base64."""
    operation = {"source_account": source, "body": body}
    return xdr.TransactionEnvelope.from_json_dict({"tx": sign(make_body([operation]))}).to_xdr()


def body_of(text: str) -> Json:
    [operation] = read_envelope(text)["tx"]["tx"]["operations"]
    return operation["body"]


def replaced(text: str, old: bytes, new: bytes) -> str:
    raw = base64.b64decode(text)
    assert raw.count(old) == 1
    return base64.b64encode(raw.replace(old, new)).decode()


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (b"USD\0", "USD"),
        (b"\xff\xff\xff\xff", r"\xff\xff\xff\xff"),
        (b"a\0\n\\", r"a\0\n\\"),
        (b"\x17\0\0\0", r"\x17"),
        (bytes(4), ""),
        (b"EURO" + bytes(8), r"EURO\0"),
        (b"A\xe9B" + bytes(9), r"A\xe9B\0\0"),
    ],
)
def test_asset_codes_are_escaped(code: bytes, wanted: str) -> None:
    kind, placed = (
        ("credit_alphanum4", "QQQQ") if len(code) == 4 else ("credit_alphanum12", "Q" * 12)
    )
    asset = {kind: {"asset_code": placed, "issuer": ALICE}}
    payment = envelope_of({"payment": {"destination": BOB, "asset": asset, "amount": "1"}})
    payment = replaced(payment, placed.encode(), code)
    assert body_of(payment)["payment"]["asset"][kind]["asset_code"] == wanted
    trust = {"trustor": BOB, "asset": {kind: placed}, "authorize": 1}
    allowance = replaced(envelope_of({"allow_trust": trust}), placed.encode(), code)
    assert body_of(allowance)["allow_trust"]["asset"] == wanted


def test_a_clawback_has_a_field_from() -> None:
    clawback = envelope_of({"clawback": {"asset": USD, "from_": ALICE_MUXED, "amount": "1"}})
    assert body_of(clawback) == {"clawback": {"asset": USD, "from": ALICE_MUXED, "amount": "1"}}


@pytest.mark.parametrize(
    ("predicate", "wanted"),
    [
        ("00000003 00000000", {"not": None}),
        ("00000003 00000001 00000000", {"not": "unconditional"}),
        ("00000002 00000001 00000003 00000000", {"or": [{"not": None}]}),
        ("00000001 00000000", {"and": []}),
        ("00000001 00000002 00000000 00000000", {"and": ["unconditional", "unconditional"]}),
        ("00000004 ffffffffffffffff", {"before_absolute_time": "-1"}),
        ("00000005 7fffffffffffffff", {"before_relative_time": "9223372036854775807"}),
    ],
)
def test_predicates_are_read(predicate: str, wanted: Json) -> None:
    [claimant] = body_of(claimable(bytes.fromhex(predicate)))["create_claimable_balance"][
        "claimants"
    ]
    assert claimant == {"claimant_type_v0": {"destination": BOB, "predicate": wanted}}


def claimable(predicate: bytes) -> str:
    """An envelope that creates a claimable balance."""
    marker = {"before_absolute_time": str(0x5151515151515151)}
    claimant = {"claimant_type_v0": {"destination": BOB, "predicate": marker}}
    balance = {"asset": "native", "amount": "1", "claimants": [claimant]}
    text = envelope_of({"create_claimable_balance": balance})
    return replaced(text, bytes.fromhex("00000004") + b"Q" * 8, predicate)


@pytest.mark.parametrize(
    ("predicate", "reason"),
    [
        ("00000006", "ClaimPredicate has no arm 6"),
        ("00000001 00000003", "at most 2"),
        ("00000003 00000002", "flag 2"),
    ],
)
def test_predicates_are_refused(predicate: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=rf"^cannot decode TransactionEnvelope \(.*{reason}"):
        read_envelope(claimable(bytes.fromhex(predicate)))


def test_predicates_nest_to_a_limit() -> None:
    nest = bytes.fromhex("00000003 00000001")
    assert body_of(claimable(nest * MAX_PREDICATE_DEPTH + bytes(4)))
    with pytest.raises(DecodeError, match=f"at depth {MAX_PREDICATE_DEPTH}"):
        read_envelope(claimable(nest * (MAX_PREDICATE_DEPTH + 1) + bytes(4)))
    with pytest.raises(DecodeError, match="TransactionEnvelope"):
        read_envelope(claimable(nest * 100_000))


def authorized(depth: int, value: Json) -> str:
    """An envelope with an authorization that nests, a value in its innermost invocation."""
    call = {"contract_address": TOKEN, "function_name": "f", "args": [value]}
    invocation: Json = {"function": {"contract_fn": call}, "sub_invocations": []}
    for _ in range(depth):
        function = {"contract_fn": {**call, "args": []}}
        invocation = {"function": function, "sub_invocations": [invocation]}
    entry = {"credentials": "source_account", "root_invocation": invocation}
    invoke = {"host_function": {"invoke_contract": call}, "auth": [entry]}
    return envelope_of({"invoke_host_function": invoke})


def test_invocations_nest_to_a_limit() -> None:
    deepest = authorized(MAX_INVOCATION_DEPTH, "void")
    inner = body_of(deepest)["invoke_host_function"]["auth"][0]["root_invocation"]
    for _ in range(MAX_INVOCATION_DEPTH):
        [inner] = inner["sub_invocations"]
    assert inner["function"]["contract_fn"]["args"] == ["void"]
    with pytest.raises(DecodeError, match="SorobanAuthorizedInvocation nests deeper than 100"):
        read_envelope(authorized(MAX_INVOCATION_DEPTH + 1, "void"))


def test_all_nests_at_once_and_the_stack_holds() -> None:
    value: Json = "void"
    for _ in range(200):
        value = {"vec": [value]}
    assert read_envelope(authorized(MAX_INVOCATION_DEPTH, value))


def many(**parts: Any) -> str:
    body = make_body(parts.get("operations"), memo=parts.get("memo", "none"))
    signatures = parts.get("signatures", [])
    return xdr.TransactionEnvelope.from_json_dict(
        {"tx": {"tx": body, "signatures": signatures}}
    ).to_xdr()


OPERATION = {"source_account": None, "body": PAYMENT}
SIGNATURE = {"hint": "0a0b0c0d", "signature": "ab" * 64}


def test_as_many_as_allowed_are_read() -> None:
    parts = {"operations": [OPERATION] * 100, "signatures": [SIGNATURE] * 20}
    read = read_envelope(many(**parts, memo={"text": "m" * 28}))["tx"]
    assert len(read["tx"]["operations"]) == 100
    assert read["signatures"] == [SIGNATURE] * 20


@pytest.mark.parametrize(
    ("text", "count", "behind", "reason"),
    [
        (many(memo={"text": "m" * 28}), 28, "6d6d", "29 bytes at byte .* most 28"),
        (many(operations=[OPERATION] * 100), 100, "00000000 00000001", "101 items .* most 100"),
        (many(signatures=[SIGNATURE] * 20), 20, "0a0b", "21 items .* most 20"),
        (many(signatures=[SIGNATURE]), 64, "abab", "65 bytes .* most 64"),
    ],
)
def test_more_than_allowed_is_refused(text: str, count: int, behind: str, reason: str) -> None:
    old, new = (it.to_bytes(4) + bytes.fromhex(behind) for it in (count, count + 1))
    with pytest.raises(DecodeError, match=rf"^cannot decode TransactionEnvelope \(.*{reason}"):
        read_envelope(replaced(text, old, new))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("00000001", "TransactionEnvelope has no arm 1"),
        ("00000002 00000001" + "00" * 32, "MuxedAccount has no arm 1"),
        ("00000005 00000000" + "00" * 40 + "00000005", "FeeBumpTransactionInnerTx has no arm 5"),
        ("00000000" + "00" * 32, "ends within a value"),
    ],
)
def test_envelopes_are_refused(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=rf"^cannot decode TransactionEnvelope \(.*{reason}"):
        read_envelope(base64.b64encode(bytes.fromhex(data)).decode())


FEE = "00000000 00000064"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("fffffffa 00000000", "tx_bad_auth"),
        ("ffffffef 00000000", "tx_soroban_invalid"),
        ("ffffffff 00000001 ffffffff 00000000", {"tx_failed": ["op_bad_auth"]}),
        (
            "00000000 00000001 00000000 00000007 00000000 00000000",
            {"tx_success": [{"op_inner": {"allow_trust": "success"}}]},
        ),
        (
            "00000000 00000001 00000000 00000008 00000000 0000000000000007 00000000",
            {"tx_success": [{"op_inner": {"account_merge": {"success": "7"}}}]},
        ),
        (
            "00000001" + "cd" * 32 + FEE + "fffffffe 00000000 00000000",
            {
                "tx_fee_bump_inner_success": {
                    "transaction_hash": "cd" * 32,
                    "result": {"fee_charged": "100", "result": "tx_too_early", "ext": "v0"},
                }
            },
        ),
    ],
)
def test_results_are_spelt_as_stellar_xdr_spells_them(data: str, wanted: Json) -> None:
    text = base64.b64encode(bytes.fromhex(FEE + data)).decode()
    assert read_result(text) == {"fee_charged": "100", "result": wanted, "ext": "v0"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("00000002 00000000", "TransactionResult has no arm 2"),
        ("00000001" + "cd" * 32 + FEE + "00000001", "InnerTransactionResult has no arm 1"),
        ("00000001" + "cd" * 32 + FEE + "fffffff3", "InnerTransactionResult has no arm"),
        ("00000000 00000001 fffffff0", "OperationResult has no arm"),
        ("00000000 00000001 00000000 0000001b", "OperationType has no arm 27"),
        ("00000000 00000001 00000000 00000001 00000001", "PAYMENT result has no arm 1"),
        ("fffffffa 00000001", "ExtensionPoint has no arm 1"),
        ("fffffffa 00000000 00000000", "ends at byte 16 of 20"),
    ],
)
def test_results_are_refused(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=rf"^cannot decode TransactionResult \(.*{reason}"):
        read_result(base64.b64encode(bytes.fromhex(FEE + data)).decode())


@pytest.mark.parametrize("read", [read_envelope, read_result])
@pytest.mark.parametrize("text", ["", "AAA", "AAAA AAAA", "AAAAAAAA\n", "AAAé"])
def test_what_is_no_base64_xdr_is_refused(read: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=r"^cannot decode Transaction(Envelope|Result)"):
        read(text)
