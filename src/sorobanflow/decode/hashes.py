"""Compute the hash of a transaction from its envelope.

Beside `transactions`. A node names a transaction by its hash, and what it sends under
that name, its database or a proxy's cache may have mixed up. The hash is SHA-256 of the
TransactionSignaturePayload: network id, type, transaction; signatures are no part of it.
So it speaks for the envelope, not for result and meta.

Source: Stellar-transaction.x.
"""

from hashlib import sha256

from sorobanflow.decode.reader import Json, from_base64
from sorobanflow.errors import WrongHashError
from sorobanflow.sources.items import Transaction

#: A V0 transaction is hashed as the V1 transaction that it stands for: type 2, key type 0.
_V0_AS_V1 = bytes([0, 0, 0, 2, 0, 0, 0, 0])


def network_id(passphrase: str) -> bytes:
    """Give the id of the network that hashes are made with."""
    return sha256(passphrase.encode()).digest()


def check_hash(transaction: Transaction, envelope: Json, network: bytes) -> None:
    """Check that a transaction is the one of its hash.

    Costs 5 µs, of which the second reading of base64 is a half (envelopes of 700 bytes).

    Raises:
        WrongHashError: its envelope is another's, or of another network.
    """
    computed = transaction_hash(transaction.envelope_xdr, envelope, network)
    if computed != transaction.tx_hash:
        raise WrongHashError(transaction.tx_hash, computed)


def transaction_hash(envelope_xdr: str, envelope: Json, network: bytes) -> str:
    """Give the hash of a transaction, hex; of a fee bump the outer one.

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
    """Bytes of the signatures, the envelope's last part: a count, each a hint and an opaque."""
    return 4 + sum(8 + (len(one["signature"]) + 7) // 8 * 4 for one in signatures)
