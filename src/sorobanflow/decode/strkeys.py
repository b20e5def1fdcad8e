"""Read the types whose SEP-51 form is a strkey: G…, C…, M… (SEP-23).

Cached, because they repeat within a ledger: 0.1 µs for a known key, 4 µs for a new one.
"""

from base64 import b32decode, b32encode
from binascii import crc_hqx
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

from sorobanflow.decode.composites import selected
from sorobanflow.decode.parts import with_parts
from sorobanflow.decode.reader import Json, no_arm, plain, skip_opaque, uint32
from sorobanflow.decode.straight import ByHand, XdrType

_PAYLOAD_LIMIT = 64
#: Bytes that the strkey of an address holds, by its first letter.
_SIZES = {"G": 32, "C": 32, "L": 32, "M": 40, "B": 33}
#: First byte of the strkeys that hold 32 bytes and no more, by their first letter.
_VERSIONS = {"G": 6 << 3, "C": 2 << 3, "L": 11 << 3}
#: Of the letters of base32 to the digits of `int`; of anything else to what is no digit.
_DIGITS = bytearray(b"!" * 256)
for _digit, _letter in zip(
    b"0123456789abcdefghijklmnopqrstuv", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", strict=True
):
    _DIGITS[_letter] = _digit
_cached = lru_cache(maxsize=16384)


class Account(NamedTuple):
    """An account `G…` and the id that a muxed address adds to it (u64)."""

    address: str
    muxed_id: int | None


def _encode(letter: str, data: bytes) -> str:
    """Write the strkey of some bytes; `letter` is the first of it."""
    raw = bytes([(ord(letter) - ord("A")) << 3]) + data
    return b32encode(raw + crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def _hash(encode: Callable[[bytes], str]) -> XdrType:
    return plain("32s", _cached(encode))


def _tagged(name: str, encode: Callable[[bytes], str], tag_bytes: int) -> XdrType:
    """Describe a union whose only arm, 0, is a hash; the strkey holds the last tag bytes."""

    def form(value: bytes) -> Json:
        (arm,) = uint32(value, 0)
        return encode(value[4 - tag_bytes :]) if arm == 0 else no_arm(name, arm)

    return plain("36s", _cached(form), only_arm=name)


@_cached
def _muxed(value: bytes) -> Json:
    return _encode("M", value[8:] + value[:8])


def decode_hash(strkey: str) -> bytes | None:
    """Give the 32 bytes of an account, a contract or a pool; None if it is no strkey of these.

    Its letters are read as the digits of one number, in a tenth of the time that base32 takes.
    """
    if len(strkey) != 56:
        return None
    try:
        raw = int(strkey.encode("ascii").translate(_DIGITS), 32).to_bytes(35, "big")
    except ValueError:
        return None
    if raw[0] != _VERSIONS.get(strkey[0]):
        return None
    return raw[1:33] if crc_hqx(raw[:33], 0) == int.from_bytes(raw[33:], "little") else None


def is_address(strkey: str) -> bool:
    """Tell whether a text is the strkey of an account (G, M), contract, balance or pool."""
    try:
        raw = b32decode(strkey + "=" * (-len(strkey) % 8))
    except ValueError:
        return False
    data = raw[1:-2]
    return len(data) == _SIZES.get(strkey[:1]) and _encode(strkey[0], data) == strkey


#: Write the strkey of 32 bytes: of a contract (C…), of an account's key (G…).
encode_contract = _cached(partial(_encode, "C"))
encode_account = _cached(partial(_encode, "G"))


@_cached
def _account(key: bytes) -> Account:
    return Account(encode_account(key), None)


@_cached
def _muxed_account(value: bytes) -> Account:
    return Account(encode_account(value[8:]), int.from_bytes(value[:8]))


ACCOUNT_ID = _tagged("PublicKey", partial(_encode, "G"), 0)
CLAIMABLE_BALANCE_ID = _tagged("ClaimableBalanceID", partial(_encode, "B"), 1)
POOL_ID = _hash(partial(_encode, "L"))
_ED25519 = plain("32s", encode_account)
_MUXED = plain("40s", _muxed)


def _signed_payload(data: bytes, at: int) -> tuple[Json, int]:
    end = skip_opaque(data, at + 32, _PAYLOAD_LIMIT)
    return _encode("P", data[at:end]), end


SC_ADDRESS = selected(
    "SCAddress",
    {
        0: ACCOUNT_ID,
        1: plain("32s", encode_contract),
        2: _MUXED,
        3: CLAIMABLE_BALANCE_ID,
        4: POOL_ID,
    },
)
#: Its parts are an `Account`.
MUXED_ACCOUNT = selected(
    "MuxedAccount",
    {
        0: with_parts(_ED25519, plain("32s", _account)),
        0x100: with_parts(_MUXED, plain("40s", _muxed_account)),
    },
)
SIGNER_KEY = selected(
    "SignerKey",
    {
        0: _ED25519,
        1: _hash(partial(_encode, "T")),
        2: _hash(partial(_encode, "X")),
        3: ByHand(_signed_payload, lambda data, at: _signed_payload(data, at)[1]),
    },
)
