"""The types of assets, ledger entries and ledger keys, as tables of `reader`.

Invariant: predicates nest at most MAX_PREDICATE_DEPTH deep; the network allows 4.
Source: Stellar-ledger-entries.x, Stellar-contract-config-setting.x.
"""

from functools import lru_cache
from typing import TypeAlias

from xdrlib3 import Unpacker

from sorobanflow.decode.codes import CONFIG_SETTINGS
from sorobanflow.decode.composites import array, optional, struct, union
from sorobanflow.decode.parts import as_json
from sorobanflow.decode.reader import (
    EXTENSION_POINT,
    HASH,
    INT32,
    INT64,
    UINT32,
    UINT64,
    Json,
    count_items,
    enum,
    escape,
    fixed,
    flag,
    opaque,
    plain,
    uint32,
)
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.decode.straight import ByHand, XdrType
from sorobanflow.decode.strkeys import (
    ACCOUNT_ID,
    CLAIMABLE_BALANCE_ID,
    POOL_ID,
    SC_ADDRESS,
    SIGNER_KEY,
)

#: Fields of a struct, by their names.
Fields: TypeAlias = dict[str, XdrType]

MAX_PREDICATE_DEPTH = 100
_MAX_SIGNERS = 20


def _asset_code(size: int, min_length: int) -> XdrType:
    @lru_cache(maxsize=4096)
    def form(code: bytes) -> Json:
        return escape(code[: max(len(code.rstrip(b"\0")), min_length)])

    return plain(f"{size}s", form, is_escaped=True)


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
_PREDICATE = ByHand(_read_predicate, lambda data, at: _read_predicate(data, at)[1])
_CLAIMANT = struct(destination=ACCOUNT_ID, predicate=_PREDICATE)
CLAIMANTS = array(union("Claimant", {0: ("claimant_type_v0", _CLAIMANT)}), 10)

_LIABILITIES = struct(buying=INT64, selling=INT64)
_SPONSOR = optional(ACCOUNT_ID)

_ACCOUNT_V3 = struct(ext=EXTENSION_POINT, seq_ledger=UINT32, seq_time=UINT64)
_ACCOUNT_V2 = struct(
    num_sponsored=UINT32,
    num_sponsoring=UINT32,
    signer_sponsoring_i_ds=array(_SPONSOR, _MAX_SIGNERS),
    ext=union("AccountEntryExtensionV2Ext", {0: ("v0", None), 3: ("v3", _ACCOUNT_V3)}),
)
_ACCOUNT_V1 = struct(
    liabilities=_LIABILITIES,
    ext=union("AccountEntryExtensionV1Ext", {0: ("v0", None), 2: ("v2", _ACCOUNT_V2)}),
)
SIGNER = struct(key=SIGNER_KEY, weight=UINT32)
HOME_DOMAIN = opaque(escape, 32)
_ACCOUNT_FIELDS: Fields = {
    "balance": INT64,
    "seq_num": INT64,
    "num_sub_entries": UINT32,
    "inflation_dest": optional(ACCOUNT_ID),
    "flags": UINT32,
    "home_domain": HOME_DOMAIN,
    "thresholds": fixed(4),
    "signers": array(SIGNER, _MAX_SIGNERS),
    "ext": union("AccountEntryExt", {0: ("v0", None), 1: ("v1", _ACCOUNT_V1)}),
}
_TRUSTLINE_V2 = struct(liquidity_pool_use_count=INT32, ext=EXTENSION_POINT)
_TRUSTLINE_V1 = struct(
    liabilities=_LIABILITIES,
    ext=union("TrustLineEntryV1Ext", {0: ("v0", None), 2: ("v2", _TRUSTLINE_V2)}),
)
_TRUSTLINE_FIELDS: Fields = {
    "balance": INT64,
    "limit": INT64,
    "flags": UINT32,
    "ext": union("TrustLineEntryExt", {0: ("v0", None), 1: ("v1", _TRUSTLINE_V1)}),
}
_DURABILITY = enum("ContractDataDurability", ["temporary", "persistent"])
_CONTRACT_DATA_KEY: Fields = {
    "contract": SC_ADDRESS,
    "key": SC_VAL,
    "durability": _DURABILITY,
}
_COUNTS = (
    *("n_instructions", "n_functions", "n_globals", "n_table_entries", "n_types"),
    *("n_data_segments", "n_elem_segments", "n_imports", "n_exports", "n_data_segment_bytes"),
)
_COST_INPUTS = struct(ext=EXTENSION_POINT, **dict.fromkeys(_COUNTS, UINT32))
_CODE_V1 = struct(ext=EXTENSION_POINT, cost_inputs=_COST_INPUTS)
CODE_EXT = union("ContractCodeEntryExt", {0: ("v0", None), 1: ("v1", _CODE_V1)})

_OFFER_KEY: Fields = {"seller_id": ACCOUNT_ID, "offer_id": INT64}
_OFFER_FIELDS: Fields = {
    "selling": ASSET,
    "buying": ASSET,
    "amount": INT64,
    "price": PRICE,
    "flags": UINT32,
    "ext": EXTENSION_POINT,
}
OFFER = struct(**_OFFER_KEY, **_OFFER_FIELDS)
DATA_NAME = opaque(escape, 64)
DATA_VALUE = opaque(bytes.hex, 64)
_DATA_FIELDS: Fields = {"data_value": DATA_VALUE, "ext": EXTENSION_POINT}

_BALANCE_V1 = struct(ext=EXTENSION_POINT, flags=UINT32)
_CLAIMABLE_FIELDS: Fields = {
    "claimants": as_json(CLAIMANTS),
    "asset": ASSET,
    "amount": INT64,
    "ext": union("ClaimableBalanceEntryExt", {0: ("v0", None), 1: ("v1", _BALANCE_V1)}),
}
_CONSTANT_PRODUCT = struct(
    params=struct(asset_a=ASSET, asset_b=ASSET, fee=INT32),
    reserve_a=INT64,
    reserve_b=INT64,
    total_pool_shares=INT64,
    pool_shares_trust_line_count=INT64,
)
_POOL_BODY = {0: ("liquidity_pool_constant_product", _CONSTANT_PRODUCT)}


def skip_setting(data: bytes, at: int) -> int:
    """Skip a ConfigSettingEntry. This is slow, but only network upgrades change them."""
    from stellar_sdk import xdr as sdk  # noqa: PLC0415 - 32 MB and 0.6 s

    unpacker = Unpacker(data)
    unpacker.set_position(at)
    sdk.ConfigSettingEntry.unpack(unpacker)
    return unpacker.get_position()


SETTING = 8  # the LedgerEntryType of network settings, whose state is not kept
_SETTING_ID = enum("ConfigSettingID", CONFIG_SETTINGS.split())
_NAMES = (
    *("account", "trustline", "offer", "data", "claimable_balance", "liquidity_pool"),
    *("contract_data", "contract_code", "config_setting", "ttl"),
)
#: By LedgerEntryType: what stands before the key in the body of a LedgerEntry, the key, and the
#: rest. Of network settings only the key.
ENTRY_FIELDS: dict[int, tuple[Fields, Fields, Fields]] = {
    0: ({}, {"account_id": ACCOUNT_ID}, _ACCOUNT_FIELDS),
    1: ({}, {"account_id": ACCOUNT_ID, "asset": TRUSTLINE_ASSET}, _TRUSTLINE_FIELDS),
    2: ({}, _OFFER_KEY, _OFFER_FIELDS),
    3: ({}, {"account_id": ACCOUNT_ID, "data_name": DATA_NAME}, _DATA_FIELDS),
    4: ({}, {"balance_id": CLAIMABLE_BALANCE_ID}, _CLAIMABLE_FIELDS),
    5: ({}, {"liquidity_pool_id": POOL_ID}, {"body": union("LiquidityPoolEntryBody", _POOL_BODY)}),
    6: ({"ext": EXTENSION_POINT}, _CONTRACT_DATA_KEY, {"val": SC_VAL}),
    7: ({"ext": CODE_EXT}, {"hash": HASH}, {"code": opaque(bytes)}),
    SETTING: ({}, {"config_setting_id": _SETTING_ID}, {}),
    9: ({}, {"key_hash": HASH}, {"live_until_ledger_seq": UINT32}),
}
#: By LedgerEntryType: the name and the body of a LedgerKey.
KEYS = {kind: (_NAMES[kind], struct(**key)) for kind, (_, key, _) in ENTRY_FIELDS.items()}
LEDGER_KEY = union("LedgerKey", KEYS)
