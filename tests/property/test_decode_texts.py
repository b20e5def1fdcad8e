"""The JSON of any XDR is that of its SEP-51 form, and both forms refuse the same bytes."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import xdr

from sorobanflow.decode.composites import struct, union
from sorobanflow.decode.entry_types import ENTRY_FIELDS, LEDGER_KEY, SETTING
from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.operation_types import OPERATION
from sorobanflow.decode.reader import INT32, UINT64
from sorobanflow.decode.result_types import TRANSACTION_RESULT
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.decode.soroban_types import INVOKE_HOST_FUNCTION, SOROBAN_DATA
from sorobanflow.decode.straight import XdrType
from sorobanflow.rows.values import json_text
from tests.property.test_decode_scval import quick, values
from tests.unit.random_xdr import draw

_CODE = 7  # whose Wasm no JSON shows
_BODIES = {
    arm: (f"body {arm}", struct(**before, **key, **after))
    for arm, (before, key, after) in ENTRY_FIELDS.items()
    if arm not in (_CODE, SETTING)
}
KINDS: dict[type[Any], XdrType] = {
    xdr.TransactionEnvelope: TRANSACTION_ENVELOPE,
    xdr.TransactionResult: TRANSACTION_RESULT,
    xdr.Operation: OPERATION,
    xdr.InvokeHostFunctionOp: INVOKE_HOST_FUNCTION,
    xdr.SorobanTransactionData: SOROBAN_DATA,
    xdr.LedgerKey: LEDGER_KEY,
    xdr.LedgerEntryData: union("LedgerEntryData", _BODIES),
    xdr.SCVal: SC_VAL,
}


def read(kind: XdrType, data: bytes) -> tuple[str, int] | str:
    """The JSON of the SEP-51 form and where it ends, or the error."""
    try:
        value, at = kind.read(data, 0)
    except Exception as error:
        return repr(error)
    return json_text(value), at


def text(kind: XdrType, data: bytes) -> tuple[str, int] | str:
    """The JSON and where it ends, or the error."""
    try:
        return kind.text(data, 0)
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("drawn", KINDS, ids=lambda drawn: drawn.__name__)
def test_the_text_of_any_type_is_that_of_what_is_read(drawn: type[Any]) -> None:
    kind, random, refused = KINDS[drawn], Random(0), 0
    for seed in range(60):
        data = bytearray(draw(drawn, seed).to_xdr_bytes())
        assert text(kind, bytes(data)) == read(kind, bytes(data))
        for _ in range(4):
            data[random.randrange(len(data))] = random.choice((0, 1, 2, 255))
            wanted = read(kind, bytes(data))
            assert text(kind, bytes(data)) == wanted
            refused += isinstance(wanted, str)
        cut = bytes(data[: random.randrange(len(data))])
        assert text(kind, cut) == read(kind, cut)
    assert refused > 10


@quick
@given(values)
def test_the_text_of_any_value_is_that_of_what_is_read(value: xdr.SCVal) -> None:
    data = value.to_xdr_bytes()
    assert SC_VAL.text(data, 0) == read(SC_VAL, data)


@quick
@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=40))
def test_numbers_and_strings_are_written_as_msgspec_writes_them(
    number: int, long: int, string: bytes
) -> None:
    data = xdr.SCVal(xdr.SCValType.SCV_STRING, str=xdr.SCString(string)).to_xdr_bytes()
    value = {"string": SC_VAL.read(data, 0)[0]["string"]}
    assert SC_VAL.text(data, 0)[0] == msgspec.json.encode(value).decode()
    numbers = struct(number=INT32, long=UINT64)
    data = number.to_bytes(4, "big", signed=True) + long.to_bytes(8, "big")
    assert numbers.text(data, 0) == (f'{{"number":{number},"long":"{long}"}}', 12)
