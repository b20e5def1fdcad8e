"""The hash of a transaction by way of stellar-sdk's objects: the other derivation."""

from hashlib import sha256

from stellar_sdk import xdr


def sdk_hash(envelope: xdr.TransactionEnvelope, network: bytes) -> str:
    """Hash the payload that stellar-sdk would have signed, hex; of a fee bump the outer one."""
    payload = xdr.TransactionSignaturePayload(xdr.Hash(network), _tagged(envelope))
    return sha256(payload.to_xdr_bytes()).hexdigest()


def _tagged(envelope: xdr.TransactionEnvelope) -> xdr.TransactionSignaturePayloadTaggedTransaction:
    if envelope.fee_bump:
        kind = xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP
        return xdr.TransactionSignaturePayloadTaggedTransaction(kind, fee_bump=envelope.fee_bump.tx)
    transaction = envelope.v1.tx if envelope.v1 else _as_v1(envelope.v0)
    return xdr.TransactionSignaturePayloadTaggedTransaction(
        xdr.EnvelopeType.ENVELOPE_TYPE_TX, tx=transaction
    )


def _as_v1(envelope: xdr.TransactionV0Envelope | None) -> xdr.Transaction:
    assert envelope is not None
    old = envelope.tx
    kind = (
        xdr.PreconditionType.PRECOND_TIME if old.time_bounds else xdr.PreconditionType.PRECOND_NONE
    )
    return xdr.Transaction(
        xdr.MuxedAccount(xdr.CryptoKeyType.KEY_TYPE_ED25519, ed25519=old.source_account_ed25519),
        old.fee,
        old.seq_num,
        xdr.Preconditions(kind, time_bounds=old.time_bounds),
        old.memo,
        old.operations,
        xdr.TransactionExt(0),
    )
