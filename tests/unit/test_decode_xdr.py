import base64

import pytest
from stellar_sdk import xdr

from sorobanflow.decode.xdr import to_json, unpack
from sorobanflow.errors import DecodeError
from tests.unit.wire_items import ALICE, BOB

TRUE = "AAAAAAAAAAE="  # SCVal: type 0 (bool), 1


def test_unpack_gives_the_value() -> None:
    assert to_json(unpack(xdr.SCVal, TRUE)) == {"bool": True}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("AAAAAAAAAA", id="no padding"),
        pytest.param("AAAA AAAAAAE=", id="space"),
        pytest.param("AAAAAAAAAAE=\n", id="newline"),
        pytest.param("AAAAAAAAAAE*", id="foreign character"),
        pytest.param("AAAAAAAAAAé=", id="not ASCII"),
        pytest.param("AAAA\ud800AAAAAE=", id="lone surrogate"),
        pytest.param("AAAAAAAAAAEAAAAA", id="trailing bytes"),
        pytest.param("AAAAAAAA", id="cut short"),
        pytest.param("AAAAYwAAAAE=", id="unknown arm"),
        pytest.param("AAAADv////8=", id="length beyond the input"),
    ],
)
def test_unpack_refuses(text: str) -> None:
    with pytest.raises(DecodeError, match="cannot decode SCVal"):
        unpack(xdr.SCVal, text)


def test_unpack_refuses_what_nests_too_deeply() -> None:
    nested = xdr.SCVal.from_json_dict("void").to_xdr_bytes()
    for _ in range(600):
        nested = bytes.fromhex("00000010 00000001 00000001") + nested  # a vec of one
    text = base64.b64encode(nested).decode()
    with pytest.raises(DecodeError, match="depth"):
        unpack(xdr.SCVal, text)


def test_errors_do_not_hold_the_payload() -> None:
    with pytest.raises(DecodeError) as caught:
        unpack(xdr.SCVal, "A" * 100_000)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("AAAAEAAAAAA=", {"vec": None}),
        ("AAAAEQAAAAA=", {"map": None}),
        ("AAAAEAAAAAEAAAACAAAAEQAAAAAAAAAB", {"vec": [{"map": None}, "void"]}),
    ],
)
def test_to_json_writes_an_absent_vec_or_map_as_null(text: str, wanted: object) -> None:
    assert to_json(unpack(xdr.SCVal, text)) == wanted


PREDICATES = {
    "AAAAAwAAAAA=": {"not": None},
    "AAAAAgAAAAEAAAADAAAAAA==": {"or": [{"not": None}]},
}


@pytest.mark.parametrize(("text", "wanted"), PREDICATES.items())
def test_to_json_writes_an_absent_predicate_as_null(text: str, wanted: object) -> None:
    assert to_json(unpack(xdr.ClaimPredicate, text)) == wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (b"USD\0", "USD"),
        (b"\xff\xff\xff\xff", r"\xff\xff\xff\xff"),
        (b"a\0\n\\", r"a\0\n\\"),
        (b"\x17\0\0\0", r"\x17"),
        (b"EURO" + bytes(8), r"EURO\0"),
        (b"A\xe9B" + bytes(9), r"A\xe9B\0\0"),
    ],
)
def test_to_json_escapes_asset_codes(code: bytes, wanted: str) -> None:
    kind = len(code)
    issuer = bytes(36)
    asset = (1 if kind == 4 else 2).to_bytes(4, "big") + code + issuer
    text = base64.b64encode(asset).decode()
    [(_, body)] = to_json(unpack(xdr.Asset, text)).items()
    assert body["asset_code"] == wanted
    bare = base64.b64encode(asset[: 4 + kind]).decode()
    assert to_json(unpack(xdr.AssetCode, bare)) == wanted


def test_to_json_names_the_fields_as_rust_does() -> None:
    asset = {"credit_alphanum4": {"asset_code": "USD", "issuer": ALICE}}
    clawback = {"clawback": {"asset": asset, "from_": BOB, "amount": "1"}}
    operation = xdr.Operation.from_json_dict({"source_account": None, "body": clawback})
    assert to_json(operation)["body"]["clawback"] == {"asset": asset, "from": BOB, "amount": "1"}


def test_to_json_leaves_what_users_wrote() -> None:
    value = {"map": [{"key": {"symbol": "from_"}, "val": {"string": "txsuccess"}}]}
    assert to_json(xdr.SCVal.from_json_dict(value)) == value
