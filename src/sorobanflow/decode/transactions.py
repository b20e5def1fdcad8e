"""Decode the envelope, the result and the meta of a transaction, XDR or JSON.

Follows `rpc`, precedes `rows`. Pure. Invariant: what comes out does not depend on
the form that the node was asked for; it is spelt as the node's own JSON is.
"""

from typing import NamedTuple

from stellar_sdk.xdr import (
    OperationResultCode,
    TransactionEnvelope,
    TransactionResult,
    TransactionResultCode,
)

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.json_form import read_json, read_meta_json
from sorobanflow.decode.metas import read_meta
from sorobanflow.decode.xdr import Json, to_json, unpack
from sorobanflow.rpc.wire import Transaction


class DecodedTransaction(NamedTuple):
    """TransactionEnvelope and TransactionResult in SEP-51 form, and what the meta says."""

    envelope: Json
    result: Json
    meta: Meta


def decode_transaction(transaction: Transaction) -> DecodedTransaction:
    """Decode a transaction from its base64 or, where that is empty, from its JSON.

    Raises:
        DecodeError: one of the three is missing or not of its type.
    """
    if not transaction.envelope_xdr:
        return DecodedTransaction(
            read_json("envelopeJson", transaction.envelope_json),
            read_json("resultJson", transaction.result_json),
            read_meta_json(transaction.result_meta_json),
        )
    return DecodedTransaction(
        to_json(unpack(TransactionEnvelope, transaction.envelope_xdr)),
        _spelt(to_json(unpack(TransactionResult, transaction.result_xdr))),
        read_meta(transaction.result_meta_xdr),
    )


def _split(prefix: str, code: str) -> str:
    return f"{prefix}_{code.removeprefix(prefix)}"


# stellar-sdk 16.1.1 writes "txbad_auth" and "opinner" for "tx_bad_auth" and "op_inner".
_CODES = {code.to_json_dict(): _split("tx", code.to_json_dict()) for code in TransactionResultCode}
_CODES |= {code.to_json_dict(): _split("op", code.to_json_dict()) for code in OperationResultCode}


def _spelt(result: Json) -> Json:
    """Spell the codes of a TransactionResult, or of an inner one, as SEP-51 does."""
    return {**result, "result": _spelt_code(result["result"])}


def _spelt_code(value: Json) -> Json:
    """Spell a code and those within: operations' results, or a fee bump's inner pair."""
    if isinstance(value, str):
        return _CODES[value]
    [(code, content)] = value.items()
    if isinstance(content, dict) and "result" in content:
        content = {**content, "result": _spelt(content["result"])}
    elif isinstance(content, list):
        content = [_spelt_operation(operation) for operation in content]
    return {_CODES[code]: content}


def _spelt_operation(value: Json) -> Json:
    if isinstance(value, str):
        return _CODES[value]
    [(code, content)] = value.items()
    return {_CODES[code]: content}
