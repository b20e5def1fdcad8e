"""The types that ledger entries, operations and results share, as tables of `reader`.

After `strkeys`, before `entry_types`. Invariant: predicates nest at most
MAX_PREDICATE_DEPTH deep; the network allows 4. Source: Stellar-ledger-entries.x.
"""

from functools import lru_cache

from sorobanflow.decode.composites import array, struct, union
from sorobanflow.decode.reader import (
    INT32,
    INT64,
    Json,
    XdrType,
    count_items,
    escape,
    flag,
    plain,
    uint32,
)
from sorobanflow.decode.strkeys import ACCOUNT_ID, POOL_ID

MAX_PREDICATE_DEPTH = 100


def _asset_code(size: int, min_length: int) -> XdrType:
    @lru_cache(maxsize=4096)
    def form(code: bytes) -> Json:
        return escape(code[: max(len(code.rstrip(b"\0")), min_length)])

    return plain(f"{size}s", form)


_CODE4, _CODE12 = _asset_code(4, 0), _asset_code(12, 5)
#: AssetCode, whose SEP-51 form omits the arm.
ASSET_CODES = {1: _CODE4, 2: _CODE12}
ASSETS = {
    0: ("native", None),
    1: ("credit_alphanum4", struct(asset_code=_CODE4, issuer=ACCOUNT_ID)),
    2: ("credit_alphanum12", struct(asset_code=_CODE12, issuer=ACCOUNT_ID)),
}
ASSET = union("Asset", ASSETS)
TRUSTLINE_ASSET = union("TrustLineAsset", ASSETS | {3: ("pool_share", POOL_ID)})
PRICE = struct(n=INT32, d=INT32)


def _read_predicate(data: bytes, at: int, depth: int = 0) -> tuple[Json, int]:
    (arm,) = uint32(data, at)
    if arm == 0:
        return "unconditional", at + 4
    if arm in _TIMES:
        time, at = INT64.read(data, at + 4)
        return {_TIMES[arm]: time}, at
    if arm not in _NESTED or depth == MAX_PREDICATE_DEPTH:
        raise ValueError(f"ClaimPredicate has no arm {arm} at depth {depth}")
    count = flag(data, at + 4) if arm == _NOT else count_items(data, at + 4, 2)
    at += 8
    items = []
    for _ in range(count):
        item, at = _read_predicate(data, at, depth + 1)
        items.append(item)
    return {_NESTED[arm]: next(iter(items), None) if arm == _NOT else items}, at


_NOT = 3
_NESTED = {1: "and", 2: "or", _NOT: "not"}
_TIMES = {4: "before_absolute_time", 5: "before_relative_time"}
_PREDICATE = XdrType(_read_predicate, lambda data, at: _read_predicate(data, at)[1])
_CLAIMANT = struct(destination=ACCOUNT_ID, predicate=_PREDICATE)
CLAIMANTS = array(union("Claimant", {0: ("claimant_type_v0", _CLAIMANT)}), 10)
