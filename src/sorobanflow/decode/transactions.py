"""Decode the envelope, the result and the Soroban meta of a transaction.

Follows `rpc`, precedes `rows`. Pure. The result is in SEP-51 form as
stellar-sdk writes it; where its names differ from the node's own JSON
("txsuccess", "tx_success") `rows` takes both.
"""

from typing import NamedTuple

from stellar_sdk.xdr import (
    SorobanTransactionMeta,
    SorobanTransactionMetaV2,
    TransactionEnvelope,
    TransactionMeta,
    TransactionResult,
)

from sorobanflow.decode.xdr import Json, to_json, unpack
from sorobanflow.rpc.wire import Transaction


class DecodedTransaction(NamedTuple):
    """TransactionEnvelope, TransactionResult and SorobanTransactionMeta in SEP-51 form.

    `soroban_meta` is None for a classic transaction and where the meta has none.
    """

    envelope: Json
    result: Json
    soroban_meta: Json


def decode_transaction(transaction: Transaction) -> DecodedTransaction:
    """Decode a transaction.

    Raises:
        DecodeError: one of the three is not the base64 XDR of its type.
    """
    envelope = unpack(TransactionEnvelope, transaction.envelope_xdr)
    # Unpacking a meta costs more than the rest (0.8-1.9 ms against 0.5), and only
    # the fees of Soroban transactions are read from it: so not for classic ones,
    # and of the meta only this part becomes JSON.
    meta = _soroban_meta(transaction.result_meta_xdr) if _is_soroban(envelope) else None
    return DecodedTransaction(
        to_json(envelope),
        to_json(unpack(TransactionResult, transaction.result_xdr)),
        None if meta is None else to_json(meta),
    )


def _is_soroban(envelope: TransactionEnvelope) -> bool:
    wrapped = envelope.fee_bump and envelope.fee_bump.tx.inner_tx.v1
    inner = envelope.v1 or wrapped
    return inner is not None and inner.tx.ext.v == 1


def _soroban_meta(text: str) -> SorobanTransactionMeta | SorobanTransactionMetaV2 | None:
    meta = unpack(TransactionMeta, text)
    part = meta.v4 or meta.v3
    return None if part is None else part.soroban_meta
