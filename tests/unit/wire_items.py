"""Make wire items from hand-written SEP-51 values, for the tests of decode and rows."""

import json
import re
from base64 import b64decode
from typing import Any

from stellar_sdk import xdr

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelopes import read_envelope
from sorobanflow.decode.reader import whole
from sorobanflow.decode.transactions import (
    DecodedTransaction,
    decode_transaction,
    network_id,
    transaction_hash,
)
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.toid import Position

ALICE = "GDK36SR7ZTTRPMBYRPGCOSPLYFEK3GLJWI7UL3Q3MBP5LB3YK5VMI6ET"
BOB = "GDWMDNMHE7Z7CKZRSSEBVHWLTXQLFDHHWIDSGDMOSMH6DPHHLYSWZ7H4"
CAROL = "GATLDRZIJG4TZJJWMTFIEQDEHRIUYRY4UCSKIJHCJTZMZSAKHGJT4LTJ"
ALICE_MUXED = "MDK36SR7ZTTRPMBYRPGCOSPLYFEK3GLJWI7UL3Q3MBP5LB3YK5VMJ7777777777776VHW"  # u64 max
TOKEN = "CA6ENHU5NRMHLU32IPZVHVHYRZQ7Z6ASYZXO4NCXIZNEBMG2IFJ6AUB2"
NETWORK = "Test SDF Network ; September 2015"
#: Of `make_transaction()` on that network.
TX_HASH = "a1e3d3e9a1d10fc622db96ee447dac1c8c06db641fe7868aa08e3c346d44c9ca"
NO_META = "AAAAAAAAAAA="

CREATE_ACCOUNT = {"create_account": {"destination": BOB, "starting_balance": "200000000"}}
PAYMENT = {"payment": {"destination": BOB, "asset": "native", "amount": "7"}}


def scval(value: Any) -> str:
    return xdr.SCVal.from_json_dict(value).to_xdr()


def symbol(name: str) -> dict[str, str]:
    return {"symbol": name}


def address(strkey: str) -> dict[str, str]:
    return {"address": strkey}


def make_event(topics: list[Any], value: Any = "void", **changes: Any) -> Event:
    """A contract event of ledger 1000, transaction 3, operation 1, event 2."""
    fields: dict[str, Any] = {
        "id": Position(1000, 3, 1, 2).event_id,
        "type": "contract",
        "ledger": 1000,
        "ledger_closed_at": "2026-07-21T18:01:10Z",
        "tx_hash": TX_HASH,
        "value": b64decode(scval(value)),
        "contract_id": TOKEN,
        "topic": [b64decode(scval(topic)) for topic in topics],
        "in_successful_contract_call": True,
    }
    return Event(**fields | changes)


def make_body(operations: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The body of a V1 transaction: one payment of Alice's, no conditions."""
    body = {
        "source_account": ALICE,
        "fee": 100,
        "seq_num": "77",
        "cond": "none",
        "memo": "none",
        "operations": operations or [{"source_account": None, "body": PAYMENT}],
        "ext": "v0",
    }
    return body | changes


def sign(body: dict[str, Any], hint: str = "0a0b0c0d", signature: str = "beef") -> dict[str, Any]:
    return {"tx": body, "signatures": [{"hint": hint, "signature": signature}]}


def make_result(code: Any = None, fee_charged: str = "100") -> dict[str, Any]:
    """A TransactionResult in SEP-51 form; by default one successful payment."""
    code = code or {"tx_success": [{"op_inner": {"payment": "success"}}]}
    return {"fee_charged": fee_charged, "result": code, "ext": "v0"}


def result_xdr(result: Any) -> str:
    """Encode a TransactionResult; stellar-sdk spells its codes without the first underscore."""
    spelt = re.sub(r'"(tx|op)_', r'"\1', json.dumps(result))
    return xdr.TransactionResult.from_json_dict(json.loads(spelt)).to_xdr()


def make_transaction(envelope: Any = None, result: Any = None, **changes: Any) -> Transaction:
    """Transaction 3 of ledger 1000; by default Alice's successful payment."""
    envelope = envelope or {"tx": sign(make_body())}
    result = result or make_result()
    fields: dict[str, Any] = {
        "tx_hash": TX_HASH,
        "status": "SUCCESS",
        "ledger": 1000,
        "application_order": 3,
        "fee_bump": "tx_fee_bump" in envelope,
        "created_at": 1784656870,
        "envelope_xdr": xdr.TransactionEnvelope.from_json_dict(envelope).to_xdr(),
        "result_xdr": result_xdr(result),
        "result_meta_xdr": NO_META,
    }
    fields |= changes
    for name in ("envelope_xdr", "result_xdr", "result_meta_xdr"):
        fields[name] = b64decode(fields[name])
    return Transaction(**fields)


def numbered(sequence: int) -> dict[str, Any]:
    """The envelope of a payment of Alice's with a sequence number."""
    return {"tx": sign(make_body(seq_num=str(sequence)))}


def with_its_hash(item: Transaction, passphrase: str = NETWORK) -> Transaction:
    """The transaction under the hash that its envelope has on a network."""
    envelope = whole("TransactionEnvelope", read_envelope)(item.envelope_xdr)
    item.tx_hash = transaction_hash(item.envelope_xdr, envelope, network_id(passphrase))
    return item


def decoded_with(meta: Meta, envelope: Any = None, result: Any = None) -> DecodedTransaction:
    """What a transaction states, whose meta states this."""
    return decode_transaction(make_transaction(envelope, result))._replace(meta=meta)
