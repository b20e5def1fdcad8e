"""The types of operations, as tables of `reader`. Source: Stellar-transaction.x."""

from sorobanflow.decode.codes import OPERATION_TYPES
from sorobanflow.decode.composites import array, optional, selected, struct, union
from sorobanflow.decode.entry_types import (
    ASSET,
    ASSET_CODES,
    ASSETS,
    CLAIMANTS,
    DATA_NAME,
    DATA_VALUE,
    HOME_DOMAIN,
    LEDGER_KEY,
    PRICE,
    SIGNER,
)
from sorobanflow.decode.parts import as_json
from sorobanflow.decode.reader import EXTENSION_POINT, INT32, INT64, UINT32
from sorobanflow.decode.soroban_types import INVOKE_HOST_FUNCTION
from sorobanflow.decode.straight import XdrType
from sorobanflow.decode.strkeys import (
    ACCOUNT_ID,
    CLAIMABLE_BALANCE_ID,
    MUXED_ACCOUNT,
    POOL_ID,
    SIGNER_KEY,
)

_PATH = array(ASSET, 5)
_FLAGS = optional(UINT32)
_BALANCE = struct(balance_id=CLAIMABLE_BALANCE_ID)
_POOL = union(
    "LiquidityPoolParameters",
    {0: ("liquidity_pool_constant_product", struct(asset_a=ASSET, asset_b=ASSET, fee=INT32))},
)
_REVOKED = {
    0: ("ledger_entry", LEDGER_KEY),
    1: ("signer", struct(account_id=ACCOUNT_ID, signer_key=SIGNER_KEY)),
}

#: In the order of OperationType.
_BODIES: tuple[XdrType | None, ...] = (
    struct(destination=ACCOUNT_ID, starting_balance=INT64),
    struct(destination=MUXED_ACCOUNT, asset=ASSET, amount=INT64),
    struct(
        send_asset=ASSET,
        send_max=INT64,
        destination=MUXED_ACCOUNT,
        dest_asset=ASSET,
        dest_amount=INT64,
        path=_PATH,
    ),
    struct(selling=ASSET, buying=ASSET, amount=INT64, price=PRICE, offer_id=INT64),
    struct(selling=ASSET, buying=ASSET, amount=INT64, price=PRICE),
    struct(
        inflation_dest=optional(ACCOUNT_ID),
        clear_flags=_FLAGS,
        set_flags=_FLAGS,
        master_weight=_FLAGS,
        low_threshold=_FLAGS,
        med_threshold=_FLAGS,
        high_threshold=_FLAGS,
        home_domain=optional(HOME_DOMAIN),
        signer=optional(SIGNER),
    ),
    struct(line=union("ChangeTrustAsset", ASSETS | {3: ("pool_share", _POOL)}), limit=INT64),
    struct(trustor=ACCOUNT_ID, asset=selected("AssetCode", ASSET_CODES), authorize=UINT32),
    MUXED_ACCOUNT,
    None,
    struct(data_name=DATA_NAME, data_value=optional(DATA_VALUE)),
    struct(bump_to=INT64),
    struct(selling=ASSET, buying=ASSET, buy_amount=INT64, price=PRICE, offer_id=INT64),
    struct(
        send_asset=ASSET,
        send_amount=INT64,
        destination=MUXED_ACCOUNT,
        dest_asset=ASSET,
        dest_min=INT64,
        path=_PATH,
    ),
    struct(asset=ASSET, amount=INT64, claimants=CLAIMANTS),
    _BALANCE,
    struct(sponsored_id=ACCOUNT_ID),
    None,
    union("RevokeSponsorshipOp", _REVOKED),
    struct(**{"asset": ASSET, "from": MUXED_ACCOUNT, "amount": INT64}),
    _BALANCE,
    struct(trustor=ACCOUNT_ID, asset=ASSET, clear_flags=UINT32, set_flags=UINT32),
    struct(
        liquidity_pool_id=POOL_ID,
        max_amount_a=INT64,
        max_amount_b=INT64,
        min_price=PRICE,
        max_price=PRICE,
    ),
    struct(liquidity_pool_id=POOL_ID, amount=INT64, min_amount_a=INT64, min_amount_b=INT64),
    INVOKE_HOST_FUNCTION,
    struct(ext=EXTENSION_POINT, extend_to=UINT32),
    struct(ext=EXTENSION_POINT),
)
_OPERATIONS = {
    number: (name, None if body is None else as_json(body))
    for number, (name, body) in enumerate(zip(OPERATION_TYPES, _BODIES, strict=True))
}
OPERATION = struct(source_account=optional(MUXED_ACCOUNT), body=union("OperationType", _OPERATIONS))
