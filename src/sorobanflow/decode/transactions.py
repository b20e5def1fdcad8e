"""Decode the envelope, the result and the meta of a transaction.

Between `sources` and `rows`. Invariant: names are spelled as Rust's stellar-xdr, which
nodes use, spells them. Envelope and result take 45 µs a transaction of applyload-10048
and 60 µs of pubnet-63092990; stellar-sdk takes 350 and 470 µs (medians, interleaved).
"""

from typing import NamedTuple

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.metas import read_meta
from sorobanflow.decode.reader import Json, base64_reader
from sorobanflow.decode.result_types import TRANSACTION_RESULT
from sorobanflow.sources.items import Transaction

#: Read base64; a DecodeError if it is not exactly one value.
read_envelope = base64_reader("TransactionEnvelope", TRANSACTION_ENVELOPE.read)
read_result = base64_reader("TransactionResult", TRANSACTION_RESULT.read)


class DecodedTransaction(NamedTuple):
    """TransactionEnvelope and TransactionResult in SEP-51 form, and what the meta states."""

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
