import base64

import pytest
from stellar_sdk import xdr

from sorobanflow.decode.xdr import to_json, unpack
from sorobanflow.errors import DecodeError

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


def test_to_json_refuses_an_asset_code_that_is_not_ascii() -> None:
    code = unpack(xdr.AssetCode4, "/////w==")
    with pytest.raises(DecodeError, match="AssetCode4"):
        to_json(code)
