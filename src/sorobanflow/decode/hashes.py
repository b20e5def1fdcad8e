"""Compute the hash of a transaction from its envelope.

After `transactions`. A node's database or a proxy's cache may send one transaction under
the hash of another. The hash is SHA-256 of the TransactionSignaturePayload: network id,
type, transaction. Signatures are not part of it, and it says nothing of result and meta.

Source: Stellar-transaction.x.
"""

from hashlib import sha256

from sorobanflow.decode.reader import Json, from_base64
from sorobanflow.errors import WrongHashError
from sorobanflow.sources.items import Transaction

#: A V0 transaction is hashed as the equivalent V1 transaction: type 2, key type 0.
_V0_AS_V1 = bytes([0, 0, 0, 2, 0, 0, 0, 0])


def network_id(passphrase: str) -> bytes:
    """Compute the id of a network, which is part of every hash."""
    return sha256(passphrase.encode()).digest()


def check_hash(transaction: Transaction, envelope: Json, network: bytes) -> None:
    """Check that a transaction has the hash under which it was sent.

    Takes 5 µs, half of it to decode the base64 again (envelopes of 700 bytes).

    Raises:
        WrongHashError: the envelope is that of another transaction or network.
    """
    computed = transaction_hash(transaction.envelope_xdr, envelope, network)
    if computed != transaction.tx_hash:
        raise WrongHashError(transaction.tx_hash, computed)


def transaction_hash(envelope_xdr: str, envelope: Json, network: bytes) -> str:
    """Compute the hash of a transaction, hex; of a fee bump the outer one.

    Args:
        envelope_xdr: TransactionEnvelope in base64.
        envelope: The same, decoded.
        network: The network's id.
    """
    data = from_base64("TransactionEnvelope", envelope_xdr)
    ((kind, content),) = envelope.items()
    end = len(data) - _signatures_size(content["signatures"])
    tagged = _V0_AS_V1 + data[4:end] if kind == "tx_v0" else data[:end]
    return sha256(network + tagged).hexdigest()


def _signatures_size(signatures: Json) -> int:
    """Size of the signatures, the last part of an envelope: a count, then hints and opaques."""
    return 4 + sum(8 + (len(one["signature"]) + 7) // 8 * 4 for one in signatures)
