"""The SEP-51 form of envelopes and results, which the types describe and rows leave out."""

from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.reader import base64_reader
from sorobanflow.decode.result_types import TRANSACTION_RESULT

read_envelope = base64_reader("TransactionEnvelope", TRANSACTION_ENVELOPE.read)
read_result = base64_reader("TransactionResult", TRANSACTION_RESULT.read)
