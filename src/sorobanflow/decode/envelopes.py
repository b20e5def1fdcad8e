"""Read a transaction envelope of any form into one, with the parts of a V1 transaction.

V0 (before protocol 13) has a raw key and only time bounds; a fee bump wraps a V1. Invariant: what
is here are the `parts` of `envelope_types`, so every value is what its type says.
"""

from typing import NamedTuple, TypeAlias

from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.straight import Parts
from sorobanflow.decode.strkeys import Account, encode_account

#: The name of a union's arm, and the parts of what it holds.
Arm: TypeAlias = tuple[str, Parts]
#: Hint and signature of each.
Signatures: TypeAlias = list[tuple[bytes, bytes]]
#: An account, if it has its own; type and body, as JSON.
Operation: TypeAlias = tuple[Account | None, tuple[str, str | None]]

#: A SorobanTransactionData: extension, resources as JSON and as XDR, resource fee in stroops.
Soroban: TypeAlias = tuple[Arm, tuple[str, bytes], int]


class Envelope(NamedTuple):
    """The parts of an envelope; fees in stroops; the `inner_*` only of a fee bump."""

    source: Account
    fee_source: Account
    fee_bid: int
    sequence: int
    preconditions: Arm
    memo: Arm
    operations: list[Operation]
    soroban: Soroban | None
    signatures: Signatures
    fee_bump: bool = False
    inner_fee_bid: int | None = None
    inner_signatures: Signatures | None = None


def read_envelope(data: bytes, at: int) -> tuple[Envelope, int]:
    """Read a TransactionEnvelope."""
    (kind, content), at = TRANSACTION_ENVELOPE.parts(data, at)
    if kind == "tx":
        return _v1(content), at
    return (_v0 if kind == "tx_v0" else _fee_bump)(content), at


def _v1(content: Parts) -> Envelope:
    (source, fee, sequence, preconditions, memo, operations, (_, soroban)), signatures = content
    return Envelope(
        source, source, fee, sequence, preconditions, memo, operations, soroban, signatures
    )


def _v0(content: Parts) -> Envelope:
    (key, fee, sequence, bounds, memo, operations, _), signatures = content
    source = Account(encode_account(key), None)
    preconditions = ("none", None) if bounds is None else ("time", bounds)
    return Envelope(
        source, source, fee, sequence, preconditions, memo, operations, None, signatures
    )


def _fee_bump(content: Parts) -> Envelope:
    (payer, fee, (_, transaction), _), signatures = content
    inner = _v1(transaction)
    return inner._replace(
        fee_source=payer,
        fee_bid=fee,
        signatures=signatures,
        fee_bump=True,
        inner_fee_bid=inner.fee_bid,
        inner_signatures=inner.signatures,
    )
