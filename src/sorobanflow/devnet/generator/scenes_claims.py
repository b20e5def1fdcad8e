"""Claimable balances that are left and claimed, with the events that this emits."""

from stellar_sdk import (
    Asset,
    Claimant,
    ClaimClaimableBalance,
    CreateClaimableBalance,
    Keypair,
    StrKey,
    xdr,
)

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import assets
from sorobanflow.devnet.generator.contract_events import transfers
from sorobanflow.devnet.generator.draft import Draft, Draw, Step
from sorobanflow.devnet.generator.scenes_classic import decimal, line_changes

_KIND = xdr.OperationType
_ENTRY = xdr.LedgerEntryType


def claimable_balance(draw: Draw) -> Draft:
    """Create a claimable balance, which is a transfer to it, and claim another."""
    source, claimant = draw.accounts(2)
    asset = assets()[0]
    new, old = draw.random.randbytes(32), draw.random.randbytes(32)
    amount = draw.amount()
    return Draft(
        source,
        (_leave(draw, source, claimant, asset, new, amount), _claim(draw, source, asset, old)),
    )


def _leave(
    draw: Draw, source: Keypair, claimant: Keypair, asset: Asset, balance: bytes, amount: int
) -> Step:
    code, claims = xdr.CreateClaimableBalanceResultCode, Claimant(claimant.public_key)
    data = entries.claimable_data(_balance_id(balance), claims, asset, amount)
    return Step(
        CreateClaimableBalance(asset, decimal(amount), [claims]),
        _creation_result(code.CREATE_CLAIMABLE_BALANCE_SUCCESS, _balance_id(balance)),
        _creation_result(code.CREATE_CLAIMABLE_BALANCE_UNDERFUNDED),
        transfers((asset, source.public_key, _balance_address(balance), amount)),
        (
            *line_changes(draw, source, asset, -amount),
            *entries.created(entries.entry(draw.ledger, data, source)),
        ),
    )


def _claim(draw: Draw, source: Keypair, asset: Asset, balance: bytes) -> Step:
    code, amount = xdr.ClaimClaimableBalanceResultCode, draw.amount()
    data = entries.claimable_data(_balance_id(balance), Claimant(source.public_key), asset, amount)
    key = xdr.LedgerKeyClaimableBalance(_balance_id(balance))
    return Step(
        ClaimClaimableBalance(_balance_id(balance).to_xdr_bytes().hex()),
        _claim_result(code.CLAIM_CLAIMABLE_BALANCE_SUCCESS),
        _claim_result(code.CLAIM_CLAIMABLE_BALANCE_CANNOT_CLAIM),
        transfers((asset, _balance_address(balance), source.public_key, amount)),
        (
            *entries.removed(
                entries.entry(draw.ledger - 1, data, source),
                xdr.LedgerKey(_ENTRY.CLAIMABLE_BALANCE, claimable_balance=key),
            ),
            *line_changes(draw, source, asset, amount),
        ),
    )


def _balance_id(balance: bytes) -> xdr.ClaimableBalanceID:
    kind = xdr.ClaimableBalanceIDType.CLAIMABLE_BALANCE_ID_TYPE_V0
    return xdr.ClaimableBalanceID(kind, xdr.Hash(balance))


def _balance_address(balance: bytes) -> str:
    # The strkey of a claimable balance starts with its type.
    return StrKey.encode_claimable_balance(b"\x00" + balance)


def _creation_result(
    code: xdr.CreateClaimableBalanceResultCode, balance: xdr.ClaimableBalanceID | None = None
) -> xdr.OperationResultTr:
    result = xdr.CreateClaimableBalanceResult(code, balance)
    return xdr.OperationResultTr(
        _KIND.CREATE_CLAIMABLE_BALANCE, create_claimable_balance_result=result
    )


def _claim_result(code: xdr.ClaimClaimableBalanceResultCode) -> xdr.OperationResultTr:
    result = xdr.ClaimClaimableBalanceResult(code)
    return xdr.OperationResultTr(
        _KIND.CLAIM_CLAIMABLE_BALANCE, claim_claimable_balance_result=result
    )
