"""Walk transaction results. Source: Stellar-transaction.x."""

from collections.abc import Mapping

from sorobanflow.devnet.xdr_walk import (
    ACCOUNT_ID,
    ASSET,
    EXT,
    HASH,
    OFFER,
    U64,
    VOID,
    Walker,
    array,
    fixed,
    struct,
    uint32,
    union,
)

#: The codes of transactions that count as successful.
SUCCESS, FEE_BUMP_INNER_SUCCESS = 0, 1


def _outcome(arms: Mapping[int, Walker]) -> Walker:
    """Walk a union by its signed code; codes that are not named have no content."""
    unsigned = {code % 2**32: arm for code, arm in arms.items()}
    return lambda data, at: unsigned.get(uint32(data, at), VOID)(data, at + 4)


_CLAIM_ATOM = union(
    {
        0: struct(HASH, U64, ASSET, U64, ASSET, U64),
        1: struct(ACCOUNT_ID, U64, ASSET, U64, ASSET, U64),
        2: struct(HASH, ASSET, U64, ASSET, U64),
    }
)
_CLAIMED = array(_CLAIM_ATOM)
_OFFER_RESULT = _outcome({0: struct(_CLAIMED, union({0: OFFER, 1: OFFER, 2: VOID}))})
_PATH_RESULT = _outcome({0: struct(_CLAIMED, ACCOUNT_ID, ASSET, U64), -9: ASSET})
_BY_OPERATION: dict[int, Walker] = {
    **dict.fromkeys(range(27), _outcome({})),
    2: _PATH_RESULT,
    3: _OFFER_RESULT,
    4: _OFFER_RESULT,
    8: _outcome({0: U64}),
    9: _outcome({0: array(struct(ACCOUNT_ID, U64))}),
    12: _OFFER_RESULT,
    13: _PATH_RESULT,
    14: _outcome({0: fixed(36)}),
    24: _outcome({0: HASH}),
}
_OPERATIONS = array(_outcome({0: union(_BY_OPERATION)}))
_INNER = struct(HASH, U64, _outcome({0: _OPERATIONS, -1: _OPERATIONS}), EXT)

RESULT = struct(U64, _outcome({0: _OPERATIONS, -1: _OPERATIONS, 1: _INNER, -13: _INNER}), EXT)
