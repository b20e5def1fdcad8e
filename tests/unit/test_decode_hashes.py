"""The hash of any envelope is that of the payload that stellar-sdk would have signed."""

import pytest
from stellar_sdk import xdr

from sorobanflow.decode.transactions import (
    check_hash,
    decode_transaction,
    network_id,
    transaction_hash,
)
from sorobanflow.errors import WrongHashError
from tests.unit.envelope_hash import sdk_hash
from tests.unit.random_xdr import draw
from tests.unit.wire_items import NETWORK, TX_HASH, make_transaction, numbered


def test_hash_is_that_of_the_signature_payload() -> None:
    seen = set()
    network = network_id(NETWORK)
    for seed in range(300):
        envelope = draw(xdr.TransactionEnvelope, seed)
        item = make_transaction(envelope_xdr=envelope.to_xdr())
        parts = decode_transaction(item).envelope
        assert transaction_hash(item.envelope_xdr, parts, network) == sdk_hash(envelope, network)
        seen.add(envelope.type)
    assert len(seen) == 3


def test_check_names_both_hashes() -> None:
    item = make_transaction()
    check_hash(item, decode_transaction(item).envelope, network_id(NETWORK))
    wrong = make_transaction(numbered(78))
    with pytest.raises(
        WrongHashError, match=f"of transaction {TX_HASH} has the hash [0-9a-f]{{64}};"
    ):
        check_hash(wrong, decode_transaction(wrong).envelope, network_id(NETWORK))
