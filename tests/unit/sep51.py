"""Readers of base64: of envelopes and results in SEP-51 form, which rows leave out; of metas."""

from sorobanflow.decode import metas
from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.reader import base64_reader, from_base64
from sorobanflow.decode.result_types import TRANSACTION_RESULT

read_envelope = base64_reader("TransactionEnvelope", TRANSACTION_ENVELOPE.read)
read_result = base64_reader("TransactionResult", TRANSACTION_RESULT.read)


def read_meta(text: str) -> Meta:
    return metas.read_meta(from_base64("TransactionMeta", text))


def read_meta_with_diagnostics(text: str) -> Meta:
    return metas.read_meta_with_diagnostics(from_base64("TransactionMeta", text))
