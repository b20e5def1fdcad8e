"""Find the envelopes in a ledger's transaction set, with their hashes, and the hash of the set.

Every byte is walked. Source: Stellar-ledger.x.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from sorobanflow.decode import envelopes
from sorobanflow.decode.composites import optional
from sorobanflow.decode.envelope_types import SIGNATURES, SIGNED
from sorobanflow.decode.reader import INT64, count_items, no_arm, uint32
from sorobanflow.decode.transaction_readers import Readers
from sorobanflow.decode.transactions import hash_signed, signatures_size

_FEE_BUMP = 5
_BASE_FEE = optional(INT64)


class Envelope(NamedTuple):
    """A TransactionEnvelope as XDR; `hash` is the transaction's, of a fee bump the outer one."""

    hash: bytes
    is_fee_bump: bool
    xdr: bytes
    parts: envelopes.Envelope | None  # None where only events are wanted


class TxSet(NamedTuple):
    """A transaction set of either form."""

    hash: str  # hex
    previous_ledger_hash: str
    envelopes: list[Envelope]  # in the order of the set, which is not that of application


class _Walk(NamedTuple):
    """A walk through a set that collects its envelopes."""

    network: bytes
    readers: Readers
    envelopes: list[Envelope]

    def envelope(self, data: bytes, at: int) -> int:
        (kind,) = uint32(data, at)
        parts, end = self.readers.envelope(data, at)
        if parts is None:
            signed = SIGNED.get(kind) or no_arm("TransactionEnvelope", kind)
            signatures_at = signed.skip(data, at + 4)
            end = SIGNATURES.skip(data, signatures_at)
        else:
            signatures_at = end - signatures_size(parts.signatures)
        tx_hash = hash_signed(data[at:signatures_at], self.network)
        self.envelopes.append(Envelope(tx_hash, kind == _FEE_BUMP, data[at:end], parts))
        return end

    def cluster(self, data: bytes, at: int) -> int:
        return _each(data, at, self.envelope)

    def stage(self, data: bytes, at: int) -> int:
        return _each(data, at, self.cluster)

    def component(self, data: bytes, at: int) -> int:
        (kind,) = uint32(data, at)
        if kind != 0:
            no_arm("TxSetComponent", kind)
        return self.cluster(data, _BASE_FEE.skip(data, at + 4))

    def phase(self, data: bytes, at: int) -> int:
        (version,) = uint32(data, at)
        if version == 0:
            return _each(data, at + 4, self.component)
        if version != 1:
            no_arm("TransactionPhase", version)
        return _each(data, _BASE_FEE.skip(data, at + 4), self.stage)


def _each(data: bytes, at: int, step: Callable[[bytes, int], int]) -> int:
    """Walk the items of an array."""
    count = count_items(data, at)
    at += 4
    for _ in range(count):
        at = step(data, at)
    return at


def read_tx_set(data: bytes, at: int, network: bytes, readers: Readers) -> tuple[TxSet, int]:
    """Read a TransactionSet, whose hash is that of its envelopes in the order of their hashes."""
    walk = _Walk(network, readers, [])
    end = walk.cluster(data, at + 32)
    parts = sorted((each.xdr for each in walk.envelopes), key=lambda xdr: sha256(xdr).digest())
    set_hash = sha256(data[at : at + 32] + b"".join(parts)).hexdigest()
    return TxSet(set_hash, data[at : at + 32].hex(), walk.envelopes), end


def read_generalized_tx_set(
    data: bytes, at: int, network: bytes, readers: Readers
) -> tuple[TxSet, int]:
    """Read a GeneralizedTransactionSet, whose hash is that of all its bytes."""
    (version,) = uint32(data, at)
    if version != 1:
        no_arm("GeneralizedTransactionSet", version)
    walk = _Walk(network, readers, [])
    end = _each(data, at + 36, walk.phase)
    set_hash = sha256(data[at:end]).hexdigest()
    return TxSet(set_hash, data[at + 4 : at + 36].hex(), walk.envelopes), end
