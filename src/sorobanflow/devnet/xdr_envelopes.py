"""Walk transaction envelopes: the types of operations and of what surrounds them.

Source: Stellar-transaction.x.
"""

from collections.abc import Mapping

from sorobanflow.devnet.xdr_walk import (
    ACCOUNT_ID,
    ASSET,
    CLAIMANT,
    EXECUTABLE,
    EXT,
    HASH,
    LEDGER_KEY,
    SC_ADDRESS,
    SC_VAL,
    SIGNER_KEY,
    U32,
    U64,
    VOID,
    Walker,
    array,
    fixed,
    opaque,
    optional,
    struct,
    union,
)

MUXED = union({0: HASH, 0x100: fixed(40)})
_TIME_BOUNDS = optional(fixed(16))
_PRECONDITIONS = union(
    {
        0: VOID,
        1: fixed(16),
        2: struct(_TIME_BOUNDS, optional(U64), optional(U64), U64, U32, array(SIGNER_KEY)),
    }
)
_MEMO = union({0: VOID, 1: opaque, 2: U64, 3: HASH, 4: HASH})

_POOL_PARAMETERS = union({0: struct(ASSET, ASSET, U32)})
_TRUST_ASSET = union({0: VOID, 1: fixed(40), 2: fixed(48), 3: _POOL_PARAMETERS})
_OFFER = struct(ASSET, ASSET, U64, fixed(8), U64)
_PATH_PAYMENT = struct(ASSET, U64, MUXED, ASSET, U64, array(ASSET))
_SET_OPTIONS = struct(
    optional(ACCOUNT_ID),
    *[optional(U32)] * 6,
    optional(opaque),
    optional(struct(SIGNER_KEY, U32)),
)
_SPONSORSHIP = union({0: LEDGER_KEY, 1: struct(ACCOUNT_ID, SIGNER_KEY)})

_CALL = struct(SC_ADDRESS, opaque, array(SC_VAL))
_PREIMAGE = union({0: struct(SC_ADDRESS, HASH), 1: ASSET})
_CREATE = struct(_PREIMAGE, EXECUTABLE)
_CREATE_V2 = struct(_CREATE, array(SC_VAL))
_HOST_FUNCTION = union({0: _CALL, 1: _CREATE, 2: opaque, 3: _CREATE_V2})


def _invocation(data: bytes, at: int) -> int:
    return _INVOCATION(data, at)


def _delegate(data: bytes, at: int) -> int:
    return _DELEGATE(data, at)


_INVOCATION = struct(union({0: _CALL, 1: _CREATE, 2: _CREATE_V2}), array(_invocation))
_DELEGATE = struct(SC_ADDRESS, SC_VAL, array(_delegate))
_BY_ADDRESS = struct(SC_ADDRESS, U64, U32, SC_VAL)
_CREDENTIALS = union(
    {0: VOID, 1: _BY_ADDRESS, 2: _BY_ADDRESS, 3: struct(_BY_ADDRESS, array(_delegate))}
)
_INVOKE = struct(_HOST_FUNCTION, array(struct(_CREDENTIALS, _INVOCATION)))

_BODIES: Mapping[int, Walker] = {
    0: struct(ACCOUNT_ID, U64),
    1: struct(MUXED, ASSET, U64),
    2: _PATH_PAYMENT,
    3: _OFFER,
    4: struct(ASSET, ASSET, U64, fixed(8)),
    5: _SET_OPTIONS,
    6: struct(_TRUST_ASSET, U64),
    7: struct(ACCOUNT_ID, union({1: fixed(4), 2: fixed(12)}), U32),
    8: MUXED,
    9: VOID,
    10: struct(opaque, optional(opaque)),
    11: U64,
    12: _OFFER,
    13: _PATH_PAYMENT,
    14: struct(ASSET, U64, array(CLAIMANT)),
    15: fixed(36),
    16: ACCOUNT_ID,
    17: VOID,
    18: _SPONSORSHIP,
    19: struct(ASSET, MUXED, U64),
    20: fixed(36),
    21: struct(ACCOUNT_ID, ASSET, U32, U32),
    22: fixed(64),  # pool, two maximal amounts, two prices
    23: fixed(56),  # pool, amount, two minimal amounts
    24: _INVOKE,
    25: struct(EXT, U32),
    26: EXT,
}
_OPERATIONS = array(struct(optional(MUXED), union(_BODIES)))
_FOOTPRINT = struct(array(LEDGER_KEY), array(LEDGER_KEY))
_SOROBAN_DATA = struct(union({0: VOID, 1: array(U32)}), _FOOTPRINT, fixed(12), U64)
_SIGNATURES = array(struct(fixed(4), opaque))

#: Without its envelope type and signatures, as hashes cover it.
TRANSACTION_V0 = struct(HASH, U32, U64, _TIME_BOUNDS, _MEMO, _OPERATIONS, EXT)
TRANSACTION = struct(
    *(MUXED, U32, U64, _PRECONDITIONS, _MEMO, _OPERATIONS),
    union({0: VOID, 1: _SOROBAN_DATA}),
)
_INNER = union({2: struct(TRANSACTION, _SIGNATURES)})
FEE_BUMP = struct(MUXED, U64, _INNER, EXT)
ENVELOPE = union(
    {
        0: struct(TRANSACTION_V0, _SIGNATURES),
        2: struct(TRANSACTION, _SIGNATURES),
        5: struct(FEE_BUMP, _SIGNATURES),
    }
)
