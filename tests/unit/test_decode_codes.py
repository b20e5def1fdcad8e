"""The names of codes are those of stellar-sdk, which writes the SEP-51 form."""

from typing import Any

import pytest
from stellar_sdk import StrKey, xdr

from sorobanflow.decode import codes
from sorobanflow.decode.result_types import TRANSACTION_RESULT
from sorobanflow.decode.strkeys import is_address

#: By operation type, where the enum of its result codes is not called as the type is.
_ENUMS = {
    "create_passive_sell_offer": xdr.ManageSellOfferResultCode,
    "extend_footprint_ttl": xdr.ExtendFootprintTTLResultCode,
}


def _names(enum: Any, prefix: str = "") -> str:
    by_value = {code.value: code.to_json_dict().removeprefix(prefix) for code in enum}
    assert max(by_value) - min(by_value) == len(by_value) - 1  # without a hole
    numbers = sorted(by_value, reverse=min(by_value) < 0)
    return " ".join(by_value[number] for number in numbers)


def test_names_are_those_of_stellar_sdk() -> None:
    assert tuple(kind.to_json_dict() for kind in xdr.OperationType) == codes.OPERATION_TYPES
    assert _names(xdr.OperationResultCode, "op") == codes.OPERATION_CODES
    assert _names(xdr.TransactionResultCode, "tx") == codes.TRANSACTION_CODES
    assert _names(xdr.ConfigSettingID) == codes.CONFIG_SETTINGS


@pytest.mark.parametrize("kind", codes.OPERATION_RESULTS)
def test_result_codes_are_those_of_stellar_sdk(kind: str) -> None:
    name = kind.title().replace("_", "") + "ResultCode"
    enum = _ENUMS.get(kind) or getattr(xdr, name)
    assert codes.OPERATION_RESULTS[kind] == _names(enum)


@pytest.mark.parametrize("code", xdr.TransactionResultCode)
def test_transaction_result_is_read_as_stellar_sdk_reads_it(code: Any) -> None:
    pair = bytes(32) + bytes(8) + (-1).to_bytes(4, "big", signed=True) + bytes(8)
    content = pair if "FEE_BUMP_INNER" in code.name else bytes(4 if code.value in (0, -1) else 0)
    data = bytes(8) + code.value.to_bytes(4, "big", signed=True) + content + bytes(4)
    expected = xdr.TransactionResult.from_xdr_bytes(data).to_json_dict()["result"]
    read = TRANSACTION_RESULT.read(data, 0)[0]["result"]
    given = read if isinstance(read, str) else next(iter(read))
    (name,) = [expected] if isinstance(expected, str) else expected
    assert given == "tx_" + name.removeprefix("tx")


def test_strkeys_of_addresses_are_those_of_stellar_sdk() -> None:
    for value in (
        StrKey.encode_med25519_public_key(bytes(range(40))),
        StrKey.encode_claimable_balance(bytes(33)),
        StrKey.encode_liquidity_pool(bytes(range(32))),
    ):
        assert is_address(value)
        assert not is_address(value[:-1])
        assert not is_address(value[:-1] + ("A" if value[-1] != "A" else "B"))
    assert not is_address(StrKey.encode_pre_auth_tx(bytes(32)))
