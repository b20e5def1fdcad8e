"""Decode the envelope, the result and the meta of a transaction.

Follows `rpc` and `envelope_types`, `result_types`, `metas`; precedes `rows`. Pure.
Invariant: names are spelled as Rust's stellar-xdr spells them, which nodes use.

Envelope and result of applyload-10048 cost 45 µs a transaction, of pubnet-63092990
60 µs; stellar-sdk takes 350 and 470 µs (medians, interleaved).
"""

from typing import NamedTuple

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.metas import read_meta
from sorobanflow.decode.reader import Json, from_base64, whole
from sorobanflow.decode.result_types import TRANSACTION_RESULT
from sorobanflow.sources.items import Transaction


class DecodedTransaction(NamedTuple):
    """TransactionEnvelope and TransactionResult in SEP-51 form, and what the meta says."""

    envelope: Json
    result: Json
    meta: Meta


def decode_transaction(transaction: Transaction) -> DecodedTransaction:
    """Decode the three parts of a transaction.

    Raises:
        DecodeError: one of them is not the base64 XDR of its type.
    """
    return DecodedTransaction(
        read_envelope(transaction.envelope_xdr),
        read_result(transaction.result_xdr),
        read_meta(transaction.result_meta_xdr),
    )


def read_envelope(text: str) -> Json:
    """Read a TransactionEnvelope, base64.

    Raises:
        DecodeError: not strict base64, not exactly one TransactionEnvelope, or one that
            nests too deeply.
    """
    return _read_envelope(from_base64("TransactionEnvelope", text))


def read_result(text: str) -> Json:
    """Read a TransactionResult, base64.

    Raises:
        DecodeError: not strict base64, or not exactly one TransactionResult.
    """
    return _read_result(from_base64("TransactionResult", text))


_read_envelope = whole("TransactionEnvelope", TRANSACTION_ENVELOPE.read)
_read_result = whole("TransactionResult", TRANSACTION_RESULT.read)
