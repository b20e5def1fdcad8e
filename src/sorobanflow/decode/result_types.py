"""The types of transaction results, as tables of `reader`. Source: Stellar-transaction.x."""

from collections.abc import Mapping

from sorobanflow.decode.codes import OPERATION_CODES, OPERATION_RESULTS, TRANSACTION_CODES
from sorobanflow.decode.composites import array, struct, union
from sorobanflow.decode.entry_types import ASSET, OFFER
from sorobanflow.decode.parts import as_json, as_json_and_first
from sorobanflow.decode.reader import EXTENSION_POINT, HASH, INT64
from sorobanflow.decode.straight import XdrType
from sorobanflow.decode.strkeys import ACCOUNT_ID, CLAIMABLE_BALANCE_ID, POOL_ID

_Arms = dict[int, tuple[str, XdrType | None]]


def _arms(names: str, contents: Mapping[str, XdrType], prefix: str = "", first: int = 0) -> _Arms:
    """Return the arms of a union over codes that count down from `first`, some with content."""
    return {
        first - number & 0xFFFF_FFFF: (prefix + name, contents.get(name))
        for number, name in enumerate(names.split())
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
_CONTENTS: dict[str, dict[str, XdrType]] = {
    "path_payment_strict_receive": {"success": _PATH_PAYMENT, "no_issuer": _ASSET},
    "manage_sell_offer": {"success": _MANAGE_OFFER},
    "create_passive_sell_offer": {"success": _MANAGE_OFFER},
    "account_merge": {"success": as_json(INT64)},
    "inflation": {"success": as_json(array(_PAYOUT))},
    "manage_buy_offer": {"success": _MANAGE_OFFER},
    "path_payment_strict_send": {"success": _PATH_PAYMENT, "no_issuer": _ASSET},
    "create_claimable_balance": {"success": as_json(CLAIMABLE_BALANCE_ID)},
    "invoke_host_function": {"success": as_json(HASH)},
}
_OPERATIONS: _Arms = {
    number: (kind, union(f"{kind.upper()} result", _arms(names, _CONTENTS.get(kind, {}))))
    for number, (kind, names) in enumerate(OPERATION_RESULTS.items())
}
_OPERATION_RESULT = union(
    "OperationResult",
    _arms(OPERATION_CODES, {"inner": union("OperationType", _OPERATIONS)}, "op_"),
)
_APPLIED = array(_OPERATION_RESULT)


def _transaction_codes(**contents: XdrType) -> _Arms:
    contents |= {"success": _APPLIED, "failed": _APPLIED}
    return _arms(TRANSACTION_CODES, contents, "tx_", first=1)


def _result(name: str, codes: _Arms) -> XdrType:
    return struct(fee_charged=INT64, result=union(name, codes), ext=EXTENSION_POINT)


_INNER_CODES = {
    code: arm for code, arm in _transaction_codes().items() if "fee_bump_inner" not in arm[0]
}
_INNER_RESULT = _result("InnerTransactionResult", _INNER_CODES)
_PAIR = struct(transaction_hash=HASH, result=_INNER_RESULT)
TRANSACTION_RESULT = _result(
    "TransactionResult",
    _transaction_codes(fee_bump_inner_success=_PAIR, fee_bump_inner_failed=_PAIR),
)
