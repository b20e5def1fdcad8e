import pytest
from stellar_sdk import xdr

from sorobanflow.decode.strkeys import MUXED_ACCOUNT
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from tests.unit.wire_items import ALICE, ALICE_MUXED, TOKEN

BALANCE = "BAAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAITUM"
POOL = "LABAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAFUYU"


@pytest.mark.parametrize("value", [ALICE, ALICE_MUXED, TOKEN, BALANCE, POOL])
def test_address_takes_every_kind(value: str) -> None:
    assert address(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "G",
        ALICE[:-1] + "A",  # checksum
        ALICE.lower(),
        ALICE.replace("B", "1"),  # a digit of the same value, which is no letter of base32
        ALICE.replace("B", "_"),
        "C" + ALICE[1:],
        TOKEN + "=",
        "S" + ALICE[1:],
        "é" * 56,
        "G\0",
        "GEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABBDI",  # another version's G
        "G" * 100_000,
        None,
        5,
    ],
)
def test_address_refuses(value: object) -> None:
    with pytest.raises(DecodeError):
        address(value)


def test_address_refuses_another_kind() -> None:
    with pytest.raises(DecodeError):
        address(ALICE, "C")


@pytest.mark.parametrize(("strkey", "muxed_id"), [(ALICE, None), (ALICE_MUXED, 2**64 - 1)])
def test_parts_of_an_account_are_its_address_and_its_muxed_id(
    strkey: str, muxed_id: int | None
) -> None:
    account = xdr.MuxedAccount.from_json_dict(strkey).to_xdr_bytes()
    assert MUXED_ACCOUNT.parts(account, 0) == ((ALICE, muxed_id), len(account))
