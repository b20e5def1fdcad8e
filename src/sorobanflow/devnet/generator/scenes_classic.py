"""Classic operations, with the unified events that they emit since protocol 23."""

from stellar_sdk import (
    Asset,
    Clawback,
    CreateAccount,
    HashMemo,
    IdMemo,
    Keypair,
    ManageData,
    MuxedAccount,
    Payment,
    ReturnHashMemo,
    SetTrustLineFlags,
    TextMemo,
    TrustLineFlags,
    scval,
    xdr,
)

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import NATIVE, assets, digest, issuer
from sorobanflow.devnet.generator.contract_events import amount_to, asset_event
from sorobanflow.devnet.generator.draft import Draft, Draw, Step

_KIND = xdr.OperationType


def payments(draw: Draw) -> Draft:
    """Pay several accounts: in XLM, in an asset, and in an asset to a muxed address."""
    source, first, second, third = draw.accounts(4)
    short, long = assets()
    return Draft(
        source,
        (
            _payment(draw, source, first, NATIVE),
            _payment(draw, source, second, short),
            _payment(draw, source, third, long, muxed_id=draw.random.choice((0, 7, 2**64 - 1))),
        ),
    )


def issue_and_redeem(draw: Draw) -> Draft:
    """Pay from the issuer (a mint), and back to it (a burn); take the asset back (a clawback)."""
    (holder,) = draw.accounts(1)
    asset = draw.random.choice(assets())
    mint, burn = draw.amount(), draw.amount()
    steps = (
        _pay(
            draw,
            Payment(holder.public_key, asset, decimal(mint), issuer().public_key),
            asset_event(asset, "mint", [holder.public_key], amount_to(mint, memo_value(draw))),
            line_changes(draw, holder, asset, mint),
        ),
        _pay(
            draw,
            Payment(issuer().public_key, asset, decimal(burn), holder.public_key),
            asset_event(asset, "burn", [holder.public_key], scval.to_int128(burn)),
            line_changes(draw, holder, asset, -burn),
        ),
        _clawback(draw, holder, asset),
    )
    return Draft(issuer(), steps)


def authorize(draw: Draw) -> Draft:
    """Authorize a holder of an asset, or revoke the authorization."""
    (holder,) = draw.accounts(1)
    asset, authorized = draw.random.choice(assets()), draw.random.random() < 0.5
    flag, none = TrustLineFlags.AUTHORIZED_FLAG, None
    old = entries.trustline_data(holder, asset, 10**9, not authorized)
    new = entries.trustline_data(holder, asset, 10**9, authorized)
    step = Step(
        SetTrustLineFlags(
            holder.public_key, asset, none if authorized else flag, flag if authorized else none
        ),
        _flags_result(xdr.SetTrustLineFlagsResultCode.SET_TRUST_LINE_FLAGS_SUCCESS),
        _flags_result(xdr.SetTrustLineFlagsResultCode.SET_TRUST_LINE_FLAGS_CANT_REVOKE),
        (asset_event(asset, "set_authorized", [holder.public_key], scval.to_bool(authorized)),),
        tuple(updated(draw, old, new)),
    )
    return Draft(issuer(), (step,))


def new_account(draw: Draw) -> Draft:
    """Create an account, and write a data entry of the creator."""
    (source,) = draw.accounts(1)
    new = Keypair.from_raw_ed25519_seed(digest(f"new {draw.ledger} {draw.order}"))
    amount = 10_0000000 + draw.amount()
    account = entries.account_data(new, amount, draw.ledger << 32)
    creation = Step(
        CreateAccount(new.public_key, decimal(amount)),
        _creation_result(xdr.CreateAccountResultCode.CREATE_ACCOUNT_SUCCESS),
        _creation_result(xdr.CreateAccountResultCode.CREATE_ACCOUNT_UNDERFUNDED),
        (
            asset_event(
                NATIVE, "transfer", [source.public_key, new.public_key], scval.to_int128(amount)
            ),
        ),
        tuple(entries.created(entries.entry(draw.ledger, account))),
    )
    return Draft(source, (creation, _note(draw, source)))


def memo_value(draw: Draw) -> xdr.SCVal | None:
    """Return the memo as unified events repeat it in `to_muxed_id`, if they do."""
    memo = draw.memo
    if isinstance(memo, IdMemo):
        return scval.to_uint64(memo.memo_id)
    if isinstance(memo, TextMemo):
        return scval.to_string(memo.memo_text)
    if isinstance(memo, HashMemo | ReturnHashMemo):
        return scval.to_bytes(memo.memo_hash if isinstance(memo, HashMemo) else memo.memo_return)
    return None


def decimal(stroops: int) -> str:
    """Write an amount as operations take it: seven decimals."""
    return f"{stroops // 10**7}.{stroops % 10**7:07d}"


def _payment(
    draw: Draw, source: Keypair, target: Keypair, asset: Asset, muxed_id: int | None = None
) -> Step:
    amount = draw.amount()
    muxed = memo_value(draw) if muxed_id is None else scval.to_uint64(muxed_id)
    return _pay(
        draw,
        Payment(MuxedAccount(target.public_key, muxed_id), asset, decimal(amount)),
        asset_event(
            asset, "transfer", [source.public_key, target.public_key], amount_to(amount, muxed)
        ),
        [
            *line_changes(draw, source, asset, -amount),
            *line_changes(draw, target, asset, amount),
        ],
    )


def _pay(
    draw: Draw,
    operation: Payment,
    event: xdr.ContractEvent,
    changes: list[xdr.LedgerEntryChange],
) -> Step:
    code = xdr.PaymentResultCode
    return Step(
        operation,
        xdr.OperationResultTr(
            _KIND.PAYMENT, payment_result=xdr.PaymentResult(code.PAYMENT_SUCCESS)
        ),
        xdr.OperationResultTr(
            _KIND.PAYMENT, payment_result=xdr.PaymentResult(code.PAYMENT_UNDERFUNDED)
        ),
        (event,),
        tuple(changes),
    )


def _clawback(draw: Draw, holder: Keypair, asset: Asset) -> Step:
    code, amount = xdr.ClawbackResultCode, draw.amount()
    return Step(
        Clawback(asset, holder.public_key, decimal(amount)),
        xdr.OperationResultTr(
            _KIND.CLAWBACK, clawback_result=xdr.ClawbackResult(code.CLAWBACK_SUCCESS)
        ),
        xdr.OperationResultTr(
            _KIND.CLAWBACK, clawback_result=xdr.ClawbackResult(code.CLAWBACK_UNDERFUNDED)
        ),
        (asset_event(asset, "clawback", [holder.public_key], scval.to_int128(amount)),),
        tuple(line_changes(draw, holder, asset, -amount)),
    )


def _note(draw: Draw, source: Keypair) -> Step:
    code = xdr.ManageDataResultCode
    name, value = f"note {draw.number}", draw.random.randbytes(8)
    return Step(
        ManageData(name, value),
        xdr.OperationResultTr(
            _KIND.MANAGE_DATA, manage_data_result=xdr.ManageDataResult(code.MANAGE_DATA_SUCCESS)
        ),
        xdr.OperationResultTr(
            _KIND.MANAGE_DATA,
            manage_data_result=xdr.ManageDataResult(code.MANAGE_DATA_LOW_RESERVE),
        ),
        changes=tuple(
            entries.created(
                entries.entry(draw.ledger, entries.account_data_entry(source, name, value))
            )
        ),
    )


def line_changes(
    draw: Draw, owner: Keypair, asset: Asset, difference: int
) -> list[xdr.LedgerEntryChange]:
    """Return the changes of a holder's account or trust line."""
    before = 10**15
    if asset.is_native():
        old = entries.account_data(owner, before, draw.sequence - 1)
        new = entries.account_data(owner, before + difference, draw.sequence - 1)
    else:
        old = entries.trustline_data(owner, asset, before)
        new = entries.trustline_data(owner, asset, before + difference)
    return updated(draw, old, new)


def updated(
    draw: Draw, old: xdr.LedgerEntryData, new: xdr.LedgerEntryData
) -> list[xdr.LedgerEntryChange]:
    """Return the changes of an entry in the draw's ledger."""
    return entries.updated(entries.entry(draw.ledger - 1, old), entries.entry(draw.ledger, new))


def _flags_result(code: xdr.SetTrustLineFlagsResultCode) -> xdr.OperationResultTr:
    result = xdr.SetTrustLineFlagsResult(code)
    return xdr.OperationResultTr(_KIND.SET_TRUST_LINE_FLAGS, set_trust_line_flags_result=result)


def _creation_result(code: xdr.CreateAccountResultCode) -> xdr.OperationResultTr:
    result = xdr.CreateAccountResult(code)
    return xdr.OperationResultTr(_KIND.CREATE_ACCOUNT, create_account_result=result)
