"""Decode the envelope, the result and the meta of a transaction, and check its hash.

Invariant: names are those of Rust's stellar-xdr, which nodes use.
"""

from hashlib import sha256
from typing import NamedTuple

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelopes import Envelope, Signatures, read_envelope
from sorobanflow.decode.metas import read_meta, read_meta_with_diagnostics
from sorobanflow.decode.reader import whole
from sorobanflow.decode.results import Result, read_result
from sorobanflow.errors import WrongHashError
from sorobanflow.sources.items import Transaction

#: A V0 transaction is hashed as the equivalent V1 transaction: type 2, key type 0.
_TX_V0, _V0_AS_V1 = bytes(4), bytes([0, 0, 0, 2, 0, 0, 0, 0])

#: Read bytes; a DecodeError if they are not exactly one value.
_envelope = whole("TransactionEnvelope", read_envelope)
_result = whole("TransactionResult", read_result)


class DecodedTransaction(NamedTuple):
    """What envelope, result and meta of a transaction state."""

    envelope: Envelope
    result: Result
    meta: Meta


def decode_transaction(
    transaction: Transaction, *, with_diagnostics: bool = False
) -> DecodedTransaction:
    """Decode the three parts; DecodeError if one is not the XDR of its type."""
    read = read_meta_with_diagnostics if with_diagnostics else read_meta
    return DecodedTransaction(
        _envelope(transaction.envelope_xdr),
        _result(transaction.result_xdr),
        read(transaction.result_meta_xdr),
    )


def network_id(passphrase: str) -> bytes:
    """Compute the id of a network, which is part of every hash."""
    return sha256(passphrase.encode()).digest()


def check_hash(transaction: Transaction, envelope: Envelope, network: bytes) -> None:
    """Raise WrongHashError if the envelope is that of another transaction or network; takes 5 µs.

    A node's database or a proxy's cache may send one transaction under the hash of another.
    """
    computed = transaction_hash(transaction.envelope_xdr, envelope, network)
    if computed != transaction.tx_hash:
        raise WrongHashError(transaction.tx_hash, computed)


def transaction_hash(envelope_xdr: bytes, envelope: Envelope, network: bytes) -> str:
    """Hash the TransactionSignaturePayload, hex; of a fee bump this is the outer hash."""
    signed = envelope_xdr[: -signatures_size(envelope.signatures)]
    return hash_signed(signed, network).hex()


def hash_signed(signed: bytes, network: bytes) -> bytes:
    """Hash the bytes of an envelope up to its signatures."""
    if signed.startswith(_TX_V0):
        signed = _V0_AS_V1 + signed[4:]
    return sha256(network + signed).digest()


def signatures_size(signatures: Signatures) -> int:
    """Size of the signatures, the last part of an envelope: a count, then hints and opaques."""
    return 4 + sum(8 + (len(signature) + 3) // 4 * 4 for _, signature in signatures)
