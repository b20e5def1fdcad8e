"""Trades with an offer and a liquidity pool, with the events that they emit."""

from stellar_sdk import (
    Keypair,
    LiquidityPoolAsset,
    LiquidityPoolDeposit,
    ManageSellOffer,
    PathPaymentStrictSend,
    StrKey,
    xdr,
)

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import NATIVE, assets
from sorobanflow.devnet.generator.contract_events import transfers
from sorobanflow.devnet.generator.draft import Draft, Draw, Step
from sorobanflow.devnet.generator.scenes_classic import decimal, line_changes, updated

_KIND = xdr.OperationType
_ENTRY = xdr.LedgerEntryType
_EFFECT = xdr.ManageOfferEffect
_PRICE = 2  # XLM for one of the asset
_RESERVE = 10**14


def trade(draw: Draw) -> Draft:
    """Sell an asset to an offer of XLM and offer the rest; sell it to a pool; deposit there."""
    seller, maker, third = draw.accounts(3)
    return Draft(
        seller, (_sell(draw, seller, maker), _pay(draw, seller, third), _deposit(draw, seller))
    )


def _sell(draw: Draw, seller: Keypair, maker: Keypair) -> Step:
    asset, sold, rest = assets()[0], draw.amount(), draw.amount()
    theirs, ours = draw.number * 2 + 1, draw.number * 2 + 2
    new = entries.offer_data(seller, ours, asset, NATIVE, rest, (_PRICE, 1))
    old = entries.offer_data(maker, theirs, NATIVE, asset, _PRICE * sold, (1, _PRICE))
    key = xdr.LedgerKeyOffer(maker.xdr_account_id(), xdr.Int64(theirs))
    created = xdr.ManageOfferSuccessResultOffer(_EFFECT.MANAGE_OFFER_CREATED, new.offer)
    success = xdr.ManageOfferSuccessResult([_taken_offer(maker, theirs, sold)], created)
    code = xdr.ManageSellOfferResultCode
    return Step(
        ManageSellOffer(asset, NATIVE, decimal(sold + rest), str(_PRICE)),
        _offer_result(code.MANAGE_SELL_OFFER_SUCCESS, success),
        _offer_result(code.MANAGE_SELL_OFFER_UNDERFUNDED),
        transfers(
            (asset, seller.public_key, maker.public_key, sold),
            (NATIVE, maker.public_key, seller.public_key, _PRICE * sold),
        ),
        (
            *entries.removed(
                entries.entry(draw.ledger - 1, old), xdr.LedgerKey(_ENTRY.OFFER, offer=key)
            ),
            *entries.created(entries.entry(draw.ledger, new, maker)),
            *line_changes(draw, seller, asset, -sold),
            *line_changes(draw, maker, asset, sold),
            *line_changes(draw, seller, NATIVE, _PRICE * sold),
            *line_changes(draw, maker, NATIVE, -_PRICE * sold),
        ),
    )


def _pay(draw: Draw, source: Keypair, target: Keypair) -> Step:
    asset, sent = assets()[0], draw.amount()
    last = xdr.SimplePaymentResult(
        target.xdr_account_id(), NATIVE.to_xdr_object(), xdr.Int64(_PRICE * sent)
    )
    success = xdr.PathPaymentStrictSendResultSuccess([_taken_of_pool(sent)], last)
    code = xdr.PathPaymentStrictSendResultCode
    return Step(
        PathPaymentStrictSend(target.public_key, asset, decimal(sent), NATIVE, decimal(sent), []),
        _path_result(code.PATH_PAYMENT_STRICT_SEND_SUCCESS, success),
        _path_result(code.PATH_PAYMENT_STRICT_SEND_UNDERFUNDED),
        transfers(
            (asset, source.public_key, _pool_address(), sent),
            (NATIVE, _pool_address(), target.public_key, _PRICE * sent),
        ),
        (
            *line_changes(draw, source, asset, -sent),
            *line_changes(draw, target, NATIVE, _PRICE * sent),
            *_pool_changes(draw, -_PRICE * sent, sent),
        ),
    )


def _deposit(draw: Draw, source: Keypair) -> Step:
    asset, amount = assets()[0], draw.amount()
    code = xdr.LiquidityPoolDepositResultCode
    return Step(
        LiquidityPoolDeposit(
            _pool().liquidity_pool_id, decimal(_PRICE * amount), decimal(amount), "1", "3"
        ),
        _deposit_result(code.LIQUIDITY_POOL_DEPOSIT_SUCCESS),
        _deposit_result(code.LIQUIDITY_POOL_DEPOSIT_UNDERFUNDED),
        transfers(
            (NATIVE, source.public_key, _pool_address(), _PRICE * amount),
            (asset, source.public_key, _pool_address(), amount),
        ),
        (
            *line_changes(draw, source, NATIVE, -_PRICE * amount),
            *line_changes(draw, source, asset, -amount),
            *_pool_changes(draw, _PRICE * amount, amount, amount),
            *updated(
                draw,
                entries.shares_data(source, _pool(), _RESERVE),
                entries.shares_data(source, _pool(), _RESERVE + amount),
            ),
        ),
    )


def _pool() -> LiquidityPoolAsset:
    return LiquidityPoolAsset(NATIVE, assets()[0])


def _pool_address() -> str:
    return StrKey.encode_liquidity_pool(bytes.fromhex(_pool().liquidity_pool_id))


def _pool_changes(
    draw: Draw, more_a: int, more_b: int, shares: int = 0
) -> list[xdr.LedgerEntryChange]:
    """Change the pool of XLM and the asset: how much more it has than before."""
    old = entries.pool_data(_pool(), _PRICE * _RESERVE, _RESERVE, _RESERVE)
    reserves = _PRICE * _RESERVE + more_a, _RESERVE + more_b
    return updated(draw, old, entries.pool_data(_pool(), *reserves, _RESERVE + shares))


def _taken_offer(maker: Keypair, number: int, sold: int) -> xdr.ClaimAtom:
    """Make the claim of an offer that gave XLM for an amount of the asset."""
    taken = xdr.ClaimOfferAtom(
        maker.xdr_account_id(),
        xdr.Int64(number),
        NATIVE.to_xdr_object(),
        xdr.Int64(_PRICE * sold),
        assets()[0].to_xdr_object(),
        xdr.Int64(sold),
    )
    return xdr.ClaimAtom(xdr.ClaimAtomType.CLAIM_ATOM_TYPE_ORDER_BOOK, order_book=taken)


def _taken_of_pool(sold: int) -> xdr.ClaimAtom:
    """Make the claim of the pool, which gave XLM for an amount of the asset."""
    taken = xdr.ClaimLiquidityAtom(
        entries.pool_id(_pool()),
        NATIVE.to_xdr_object(),
        xdr.Int64(_PRICE * sold),
        assets()[0].to_xdr_object(),
        xdr.Int64(sold),
    )
    return xdr.ClaimAtom(xdr.ClaimAtomType.CLAIM_ATOM_TYPE_LIQUIDITY_POOL, liquidity_pool=taken)


def _offer_result(
    code: xdr.ManageSellOfferResultCode, success: xdr.ManageOfferSuccessResult | None = None
) -> xdr.OperationResultTr:
    result = xdr.ManageSellOfferResult(code, success)
    return xdr.OperationResultTr(_KIND.MANAGE_SELL_OFFER, manage_sell_offer_result=result)


def _path_result(
    code: xdr.PathPaymentStrictSendResultCode,
    success: xdr.PathPaymentStrictSendResultSuccess | None = None,
) -> xdr.OperationResultTr:
    result = xdr.PathPaymentStrictSendResult(code, success)
    return xdr.OperationResultTr(
        _KIND.PATH_PAYMENT_STRICT_SEND, path_payment_strict_send_result=result
    )


def _deposit_result(code: xdr.LiquidityPoolDepositResultCode) -> xdr.OperationResultTr:
    result = xdr.LiquidityPoolDepositResult(code)
    return xdr.OperationResultTr(_KIND.LIQUIDITY_POOL_DEPOSIT, liquidity_pool_deposit_result=result)
