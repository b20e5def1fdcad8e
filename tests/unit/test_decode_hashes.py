"""The hash of any envelope is that of the payload that stellar-sdk would have signed."""

from hashlib import sha256

import pytest
from stellar_sdk import xdr

from sorobanflow.decode.transactions import check_hash, network_id, read_envelope, transaction_hash
from sorobanflow.errors import WrongHashError
from tests.unit.random_xdr import draw
from tests.unit.wire_items import NETWORK, TX_HASH, make_transaction, numbered

TYPE = xdr.EnvelopeType


def _tagged(envelope: xdr.TransactionEnvelope) -> xdr.TransactionSignaturePayloadTaggedTransaction:
    if envelope.fee_bump:
        kind = TYPE.ENVELOPE_TYPE_TX_FEE_BUMP
        return xdr.TransactionSignaturePayloadTaggedTransaction(kind, fee_bump=envelope.fee_bump.tx)
    transaction = envelope.v1.tx if envelope.v1 else _as_v1(envelope.v0)
    return xdr.TransactionSignaturePayloadTaggedTransaction(TYPE.ENVELOPE_TYPE_TX, tx=transaction)


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


def test_hash_is_that_of_the_signature_payload() -> None:
    seen = set()
    network = network_id(NETWORK)
    for seed in range(300):
        envelope = draw(xdr.TransactionEnvelope, seed)
        payload = xdr.TransactionSignaturePayload(xdr.Hash(network), _tagged(envelope))
        text = envelope.to_xdr()
        computed = transaction_hash(text, read_envelope(text), network)
        assert computed == sha256(payload.to_xdr_bytes()).hexdigest()
        seen.add(envelope.type)
    assert len(seen) == 3


def test_check_names_both_hashes() -> None:
    item = make_transaction()
    check_hash(item, read_envelope(item.envelope_xdr), network_id(NETWORK))
    wrong = make_transaction(numbered(78))
    with pytest.raises(
        WrongHashError, match=f"of transaction {TX_HASH} has the hash [0-9a-f]{{64}};"
    ):
        check_hash(wrong, read_envelope(wrong.envelope_xdr), network_id(NETWORK))
