"""The types of transaction results, as tables of `reader`. Source: Stellar-transaction.x."""

from collections.abc import Iterable
from typing import Any

from stellar_sdk import xdr as sdk

from sorobanflow.decode.composites import array, struct, union
from sorobanflow.decode.entry_types import ASSET, OFFER
from sorobanflow.decode.parts import as_json, as_json_and_first
from sorobanflow.decode.reader import EXTENSION_POINT, HASH, INT64
from sorobanflow.decode.straight import XdrType
from sorobanflow.decode.strkeys import ACCOUNT_ID, CLAIMABLE_BALANCE_ID, POOL_ID

_Arms = dict[int, tuple[str, XdrType | None]]


def _arms(codes: Iterable[Any], prefix: str = "", **contents: XdrType) -> _Arms:
    """Return the arms of a union over an enum of stellar-sdk, some with content.

    `prefix` restores an underscore: stellar-sdk 16.1.1 writes "txbad_auth" for "tx_bad_auth".
    """
    names = {code.value: code.to_json_dict().removeprefix(prefix) for code in codes}
    joint = f"{prefix}_" if prefix else ""
    return {
        value & 0xFFFF_FFFF: (joint + name, contents.get(name)) for value, name in names.items()
    }


_TRADED = {
    "asset_sold": ASSET,
    "amount_sold": INT64,
    "asset_bought": ASSET,
    "amount_bought": INT64,
}
_CLAIM_ATOMS = array(
    union(
        "ClaimAtom",
        {
            0: ("v0", struct(seller_ed25519=HASH, offer_id=INT64, **_TRADED)),
            1: ("order_book", struct(seller_id=ACCOUNT_ID, offer_id=INT64, **_TRADED)),
            2: ("liquidity_pool", struct(liquidity_pool_id=POOL_ID, **_TRADED)),
        },
    )
)
_LAST = struct(destination=ACCOUNT_ID, asset=ASSET, amount=INT64)
_PATH_PAYMENT = as_json_and_first(struct(offers=_CLAIM_ATOMS, last=_LAST), _CLAIM_ATOMS)
_OFFER_EFFECT = union(
    "ManageOfferEffect", {0: ("created", OFFER), 1: ("updated", OFFER), 2: ("deleted", None)}
)
_MANAGE_OFFER = as_json_and_first(
    struct(offers_claimed=_CLAIM_ATOMS, offer=_OFFER_EFFECT), _CLAIM_ATOMS
)
_ASSET, _PAYOUT = as_json(ASSET), struct(destination=ACCOUNT_ID, amount=INT64)
_SELL_OFFER = _arms(sdk.ManageSellOfferResultCode, success=_MANAGE_OFFER)

#: In the order of OperationType.
_RESULTS: tuple[_Arms, ...] = (
    _arms(sdk.CreateAccountResultCode),
    _arms(sdk.PaymentResultCode),
    _arms(sdk.PathPaymentStrictReceiveResultCode, success=_PATH_PAYMENT, no_issuer=_ASSET),
    _SELL_OFFER,
    _SELL_OFFER,
    _arms(sdk.SetOptionsResultCode),
    _arms(sdk.ChangeTrustResultCode),
    _arms(sdk.AllowTrustResultCode),
    _arms(sdk.AccountMergeResultCode, success=as_json(INT64)),
    _arms(sdk.InflationResultCode, success=as_json(array(_PAYOUT))),
    _arms(sdk.ManageDataResultCode),
    _arms(sdk.BumpSequenceResultCode),
    _arms(sdk.ManageBuyOfferResultCode, success=_MANAGE_OFFER),
    _arms(sdk.PathPaymentStrictSendResultCode, success=_PATH_PAYMENT, no_issuer=_ASSET),
    _arms(sdk.CreateClaimableBalanceResultCode, success=as_json(CLAIMABLE_BALANCE_ID)),
    _arms(sdk.ClaimClaimableBalanceResultCode),
    _arms(sdk.BeginSponsoringFutureReservesResultCode),
    _arms(sdk.EndSponsoringFutureReservesResultCode),
    _arms(sdk.RevokeSponsorshipResultCode),
    _arms(sdk.ClawbackResultCode),
    _arms(sdk.ClawbackClaimableBalanceResultCode),
    _arms(sdk.SetTrustLineFlagsResultCode),
    _arms(sdk.LiquidityPoolDepositResultCode),
    _arms(sdk.LiquidityPoolWithdrawResultCode),
    _arms(sdk.InvokeHostFunctionResultCode, success=as_json(HASH)),
    _arms(sdk.ExtendFootprintTTLResultCode),
    _arms(sdk.RestoreFootprintResultCode),
)
_OPERATIONS: _Arms = {
    kind.value: (kind.to_json_dict(), union(f"{kind.name} result", arms))
    for kind, arms in zip(sdk.OperationType, _RESULTS, strict=True)
}
_OPERATION_RESULT = union(
    "OperationResult",
    _arms(sdk.OperationResultCode, "op", inner=union("OperationType", _OPERATIONS)),
)
_APPLIED = array(_OPERATION_RESULT)
_FEE_BUMPS = ("txFEE_BUMP_INNER_SUCCESS", "txFEE_BUMP_INNER_FAILED")
_INNER_CODES = [code for code in sdk.TransactionResultCode if code.name not in _FEE_BUMPS]


def _result(name: str, codes: _Arms) -> XdrType:
    return struct(fee_charged=INT64, result=union(name, codes), ext=EXTENSION_POINT)


_INNER_RESULT = _result(
    "InnerTransactionResult", _arms(_INNER_CODES, "tx", success=_APPLIED, failed=_APPLIED)
)
_PAIR = struct(transaction_hash=HASH, result=_INNER_RESULT)
TRANSACTION_RESULT = _result(
    "TransactionResult",
    _arms(
        sdk.TransactionResultCode,
        "tx",
        success=_APPLIED,
        failed=_APPLIED,
        fee_bump_inner_success=_PAIR,
        fee_bump_inner_failed=_PAIR,
    ),
)
