import pytest

from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import account, account_of_key, address
from tests.unit.wire_items import ALICE, ALICE_MUXED, TOKEN

BALANCE = "BAAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAITUM"
POOL = "LABAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAFUYU"
ALICE_KEY = "d5bf4a3fcce717b0388bcc2749ebc148ad9969b23f45ee1b605fd58778576ac4"


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


def test_account_splits_a_muxed_one() -> None:
    assert account(ALICE_MUXED) == (ALICE, 18446744073709551615)


def test_account_keeps_a_plain_one() -> None:
    assert account(ALICE) == (ALICE, None)


def test_account_refuses_a_contract() -> None:
    with pytest.raises(DecodeError):
        account(TOKEN)


def test_account_of_key_gives_the_address() -> None:
    assert account_of_key(ALICE_KEY) == (ALICE, None)
