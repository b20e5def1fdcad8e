"""Read the types whose SEP-51 form is a strkey: G…, C…, M… (SEP-23).

Follows `reader`, precedes `scval` and `entries`. A key is cached with its strkey,
because the same accounts and contracts fill a ledger: 0.1 µs for a known one, 4 µs
for a new one.
"""

from functools import lru_cache

from stellar_sdk import StrKey

from sorobanflow.decode.reader import XdrType, skip_opaque, uint32
from sorobanflow.decode.xdr import Json

_PAYLOAD_LIMIT = 64
_ENCODE = {
    "B": StrKey.encode_claimable_balance,
    "C": StrKey.encode_contract,
    "G": StrKey.encode_ed25519_public_key,
    "L": StrKey.encode_liquidity_pool,
    "M": StrKey.encode_med25519_public_key,
    "P": StrKey.encode_ed25519_signed_payload,
    "T": StrKey.encode_pre_auth_tx,
    "X": StrKey.encode_sha256_hash,
}


@lru_cache(maxsize=16384)
def strkey(letter: str, key: bytes) -> str:
    """Write a key as a strkey of the kind that begins with the letter."""
    return _ENCODE[letter](key)


def _hash(letter: str) -> XdrType:
    return XdrType(
        lambda data, at: (strkey(letter, data[at : at + 32]), at + 32), lambda _, at: at + 32, 32
    )


def _tagged(name: str, letter: str, tag_bytes: int) -> XdrType:
    """Describe a union whose only arm, 0, is a hash; the strkey holds part of the tag."""

    def skip(data: bytes, at: int) -> int:
        (arm,) = uint32(data, at)
        if arm != 0:
            raise ValueError(f"{name} has no arm {arm}")
        return at + 36

    def read(data: bytes, at: int) -> tuple[Json, int]:
        end = skip(data, at)
        return strkey(letter, data[at + 4 - tag_bytes : end]), end

    return XdrType(read, skip)


def _muxed(data: bytes, at: int) -> tuple[Json, int]:
    return strkey("M", data[at + 8 : at + 40] + data[at : at + 8]), at + 40


ACCOUNT_ID = _tagged("PublicKey", "G", 0)
CLAIMABLE_BALANCE_ID = _tagged("ClaimableBalanceID", "B", 1)
POOL_ID = _hash("L")


def _union(name: str, arms: dict[int, XdrType]) -> XdrType:
    """Describe a union whose arms show by the letter of their strkey."""

    def arm_at(data: bytes, at: int) -> XdrType:
        (value,) = uint32(data, at)
        arm = arms.get(value)
        if arm is None:
            raise ValueError(f"{name} has no arm {value}")
        return arm

    return XdrType(
        lambda data, at: arm_at(data, at).read(data, at + 4),
        lambda data, at: arm_at(data, at).skip(data, at + 4),
    )


def _signed_payload(data: bytes, at: int) -> tuple[Json, int]:
    end = skip_opaque(data, at + 32, _PAYLOAD_LIMIT)
    return strkey("P", data[at:end]), end


SC_ADDRESS = _union(
    "SCAddress",
    {
        0: ACCOUNT_ID,
        1: _hash("C"),
        2: XdrType(_muxed, lambda _, at: at + 40, 40),
        3: CLAIMABLE_BALANCE_ID,
        4: POOL_ID,
    },
)
SIGNER_KEY = _union(
    "SignerKey",
    {
        0: _hash("G"),
        1: _hash("T"),
        2: _hash("X"),
        3: XdrType(_signed_payload, lambda data, at: _signed_payload(data, at)[1]),
    },
)
