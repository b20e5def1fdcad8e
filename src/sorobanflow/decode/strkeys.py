"""Read the types whose SEP-51 form is a strkey: G…, C…, M… (SEP-23).

Follows `composites`, precedes `scval` and `entries`. A key is cached with its strkey,
because the same accounts and contracts fill a ledger: 0.1 µs for a known one, 4 µs
for a new one.
"""

from functools import lru_cache, partial

from stellar_sdk import StrKey

from sorobanflow.decode.composites import selected
from sorobanflow.decode.reader import Json, XdrType, no_arm, plain, skip_opaque, uint32

_PAYLOAD_LIMIT = 64
_cached = lru_cache(maxsize=16384)
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


def strkey(letter: str, key: bytes) -> str:
    """Write a key as a strkey of the kind that begins with the letter."""
    return _ENCODE[letter](key)


def _hash(letter: str) -> XdrType:
    return plain("32s", _cached(partial(strkey, letter)))


def _tagged(name: str, letter: str, tag_bytes: int) -> XdrType:
    """Describe a union whose only arm, 0, is a hash; the strkey holds part of the tag."""

    def form(value: bytes) -> Json:
        skip(value, 0)
        return strkey(letter, value[4 - tag_bytes :])

    def skip(data: bytes, at: int) -> int:
        (arm,) = uint32(data, at)
        return at + 36 if arm == 0 else no_arm(name, arm)

    return plain("36s", _cached(form))._replace(skip=skip, size=None)


@_cached
def _muxed(value: bytes) -> Json:
    return strkey("M", value[8:] + value[:8])


ACCOUNT_ID = _tagged("PublicKey", "G", 0)
CLAIMABLE_BALANCE_ID = _tagged("ClaimableBalanceID", "B", 1)
POOL_ID = _hash("L")
_MUXED = plain("40s", _muxed)


def _signed_payload(data: bytes, at: int) -> tuple[Json, int]:
    end = skip_opaque(data, at + 32, _PAYLOAD_LIMIT)
    return strkey("P", data[at:end]), end


SC_ADDRESS = selected(
    "SCAddress",
    {
        0: ACCOUNT_ID,
        1: _hash("C"),
        2: _MUXED,
        3: CLAIMABLE_BALANCE_ID,
        4: POOL_ID,
    },
)
MUXED_ACCOUNT = selected("MuxedAccount", {0: _hash("G"), 0x100: _MUXED})
SIGNER_KEY = selected(
    "SignerKey",
    {
        0: _hash("G"),
        1: _hash("T"),
        2: _hash("X"),
        3: XdrType(_signed_payload, lambda data, at: _signed_payload(data, at)[1]),
    },
)
