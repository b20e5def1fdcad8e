"""Build envelope, result and meta of a draft: signed, hashed and in XDR.

Hashes are real: those of the envelope's content with the passphrase, and of the
outer transaction for a fee bump. Metas are V4, with fees as events before all
transactions and refunds after them.
"""

from hashlib import sha256

from stellar_sdk import (
    FeeBumpTransaction,
    FeeBumpTransactionEnvelope,
    Keypair,
    MuxedAccount,
    TransactionEnvelope,
    xdr,
)
from stellar_sdk import Transaction as SdkTransaction

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import PASSPHRASE
from sorobanflow.devnet.generator.contract_events import EXT, fee_event
from sorobanflow.devnet.generator.draft import Draft, Draw, Soroban, Step, Wrapping
from sorobanflow.devnet.generator.invocation import host_function_success
from sorobanflow.devnet.supply import Transaction

_BALANCE = 10_000_0000000  # stroops, before the fee
_CODE = xdr.TransactionResultCode
_STAGE = xdr.TransactionEventStage


def build(draw: Draw, draft: Draft, wrapping: Wrapping) -> Transaction:
    """Build the transaction as a node stores it."""
    inner = _sign_inner(draw, draft, wrapping)
    envelope = _bump(inner, wrapping) if wrapping.fee_payer else inner
    tx_hash = envelope.hash()
    result = _result(draft, wrapping, inner.hash() if wrapping.fee_payer else None)
    return Transaction(
        tx_hash.hex(),
        draw.order,
        not wrapping.failed,
        wrapping.fee_payer is not None,
        envelope.to_xdr(),
        result.to_xdr(),
        _meta(draw, draft, wrapping).to_xdr(),
    )


def _sign_inner(draw: Draw, draft: Draft, wrapping: Wrapping) -> TransactionEnvelope:
    transaction = SdkTransaction(
        MuxedAccount(draft.source.public_key, wrapping.muxed_id),
        draw.sequence,
        min(wrapping.fee, 2**32 - 1),
        [step.operation for step in draft.steps],
        wrapping.memo,
        wrapping.preconditions,
        _soroban_data(draft.soroban, wrapping) if draft.soroban else None,
    )
    envelope = TransactionEnvelope(transaction, PASSPHRASE)
    envelope.sign(draft.source)
    return envelope


def _bump(inner: TransactionEnvelope, wrapping: Wrapping) -> FeeBumpTransactionEnvelope:
    payer = wrapping.fee_payer
    assert payer is not None
    bump = FeeBumpTransaction(payer, wrapping.fee, inner)
    envelope = FeeBumpTransactionEnvelope(bump, PASSPHRASE)
    envelope.sign(payer)
    return envelope


def _soroban_data(soroban: Soroban, wrapping: Wrapping) -> xdr.SorobanTransactionData:
    footprint = xdr.LedgerFootprint(list(soroban.read_only), list(soroban.read_write))
    resources = xdr.SorobanResources(
        footprint, xdr.Uint32(2_000_000), xdr.Uint32(1_000), xdr.Uint32(500)
    )
    return xdr.SorobanTransactionData(
        xdr.SorobanTransactionDataExt(0), resources, xdr.Int64(wrapping.fee // 2)
    )


def _result(draft: Draft, wrapping: Wrapping, inner_hash: bytes | None) -> xdr.TransactionResult:
    charged = xdr.Int64(wrapping.fee - wrapping.refund)
    code = _CODE.txFAILED if wrapping.failed else _CODE.txSUCCESS
    results = _operation_results(draft, wrapping.failed)
    if inner_hash is None:
        outcome = xdr.TransactionResultResult(code, results=results)
    else:
        inner = xdr.InnerTransactionResult(
            xdr.Int64(0),
            xdr.InnerTransactionResultResult(code, results),
            xdr.InnerTransactionResultExt(0),
        )
        outcome = xdr.TransactionResultResult(
            _CODE.txFEE_BUMP_INNER_FAILED if wrapping.failed else _CODE.txFEE_BUMP_INNER_SUCCESS,
            xdr.InnerTransactionResultPair(xdr.Hash(inner_hash), inner),
        )
    return xdr.TransactionResult(charged, outcome, xdr.TransactionResultExt(0))


def _operation_results(draft: Draft, failed: bool) -> list[xdr.OperationResult]:
    outcomes = [_with_hash(step, draft.soroban) for step in draft.steps]
    if failed:
        outcomes[-1] = draft.steps[-1].failure
    return [xdr.OperationResult(xdr.OperationResultCode.opINNER, each) for each in outcomes]


def _with_hash(step: Step, soroban: Soroban | None) -> xdr.OperationResultTr:
    """Return the result of success; that of a host function has a hash of what the call made."""
    if not step.success.invoke_host_function_result:
        return step.success
    assert soroban is not None
    assert soroban.return_value is not None
    made = xdr.InvokeHostFunctionSuccessPreImage(soroban.return_value, list(step.events))
    return host_function_success(sha256(made.to_xdr_bytes()).digest())


def _meta(draw: Draw, draft: Draft, wrapping: Wrapping) -> xdr.TransactionMeta:
    # A failed transaction changes nothing and emits nothing but its fees.
    steps = () if wrapping.failed else draft.steps
    operations = [
        xdr.OperationMetaV2(EXT, xdr.LedgerEntryChanges(list(step.changes)), list(step.events))
        for step in steps
    ]
    meta = xdr.TransactionMetaV4(
        EXT,
        xdr.LedgerEntryChanges(_changes_before(draw, draft, wrapping)),
        operations,
        xdr.LedgerEntryChanges([]),
        _soroban_meta(draft.soroban, wrapping) if draft.soroban else None,
        _fee_events(draft, wrapping),
        [],
    )
    return xdr.TransactionMeta(4, v4=meta)


def _changes_before(draw: Draw, draft: Draft, wrapping: Wrapping) -> list[xdr.LedgerEntryChange]:
    payer = wrapping.fee_payer or draft.source
    changes = _account_changes(draw, payer, _BALANCE - wrapping.fee)
    if wrapping.fee_payer:
        changes += _account_changes(draw, draft.source, _BALANCE)
    return changes


def _account_changes(draw: Draw, owner: Keypair, balance: int) -> list[xdr.LedgerEntryChange]:
    """Use a sequence number; the fee was taken before all transactions."""
    old = entries.account_data(owner, balance, draw.sequence - 1)
    new = entries.account_data(owner, balance, draw.sequence)
    return entries.updated(entries.entry(draw.ledger - 1, old), entries.entry(draw.ledger, new))


def _soroban_meta(soroban: Soroban, wrapping: Wrapping) -> xdr.SorobanTransactionMetaV2:
    used = wrapping.fee // 4
    rest = wrapping.fee // 2 - used - wrapping.refund
    fees = xdr.SorobanTransactionMetaExtV1(EXT, xdr.Int64(used), xdr.Int64(rest), xdr.Int64(0))
    value = None if wrapping.failed else soroban.return_value
    return xdr.SorobanTransactionMetaV2(xdr.SorobanTransactionMetaExt(1, fees), value)


def _fee_events(draft: Draft, wrapping: Wrapping) -> list[xdr.TransactionEvent]:
    payer = (wrapping.fee_payer or draft.source).public_key
    charged = fee_event(payer, wrapping.fee)
    events = [xdr.TransactionEvent(_STAGE.TRANSACTION_EVENT_STAGE_BEFORE_ALL_TXS, charged)]
    if wrapping.refund:
        stage = (
            _STAGE.TRANSACTION_EVENT_STAGE_AFTER_TX
            if wrapping.refund_after_tx
            else _STAGE.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS
        )
        events.append(xdr.TransactionEvent(stage, fee_event(payer, -wrapping.refund)))
    return events
