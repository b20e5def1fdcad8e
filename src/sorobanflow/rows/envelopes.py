"""Reduce the forms of a transaction envelope to one, with the fields of a V1 transaction.

V0 (before protocol 13) has a raw key and only time bounds; a fee bump wraps a V1.
"""

from typing import NamedTuple

from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import Account, account, account_of_key
from sorobanflow.rows.values import arm, hash_hex, i64, u32


class Envelope(NamedTuple):
    """The parts of an envelope; fees in stroops; the `inner_*` only of a fee bump."""

    transaction: Json
    source: Account
    fee_source: Account
    fee_bid: int
    signatures: Json
    fee_bump: bool = False
    inner_fee_bid: int | None = None
    inner_signatures: Json = None


def open_envelope(envelope: Json) -> Envelope:
    """Split a TransactionEnvelope in SEP-51 form."""
    kind, content = arm(envelope)
    if kind == "tx":
        return _v1(content)
    if kind == "tx_v0":
        return _v0(content)
    if kind == "tx_fee_bump":
        return _fee_bump(content)
    raise DecodeError(f"unknown envelope: {kind!r:.80}; expected tx, tx_v0 or tx_fee_bump")


def transaction_of(envelope: Json) -> Json:
    """Return the (inner) transaction; `operations` and `ext` are the same in all forms."""
    _, content = arm(envelope)
    transaction = content["tx"]
    return transaction_of(transaction["inner_tx"]) if "inner_tx" in transaction else transaction


def _v1(content: Json) -> Envelope:
    transaction = content["tx"]
    source = account(transaction["source_account"])
    return Envelope(transaction, source, source, u32(transaction["fee"]), content["signatures"])


def _v0(content: Json) -> Envelope:
    old = content["tx"]
    source = account_of_key(hash_hex(old["source_account_ed25519"]))
    bounds = old["time_bounds"]
    transaction = {**old, "cond": "none" if bounds is None else {"time": bounds}}
    return Envelope(transaction, source, source, u32(old["fee"]), content["signatures"])


def _fee_bump(content: Json) -> Envelope:
    outer = content["tx"]
    inner = _v1(outer["inner_tx"]["tx"])
    return inner._replace(
        fee_source=account(outer["fee_source"]),
        fee_bid=i64(outer["fee"]),
        signatures=content["signatures"],
        fee_bump=True,
        inner_fee_bid=inner.fee_bid,
        inner_signatures=inner.signatures,
    )
