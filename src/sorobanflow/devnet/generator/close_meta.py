"""Make whole ledgers: a LedgerCloseMeta V2 around the transactions of a ledger.

Its hashes are true: those of the header, of the ledger before, of the transaction set,
of the results, and of the transactions. The bucket list's hash and the signature of the
network's value are made up. Source: Stellar-ledger.x.
"""

from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from stellar_sdk import xdr

from sorobanflow.devnet.generator.cast import account, digest
from sorobanflow.devnet.generator.fee_changes import FeeChanges, fee_changes
from sorobanflow.devnet.generator.upgrades import evicted_keys, upgrades
from sorobanflow.devnet.meta_changes import read_changes
from sorobanflow.devnet.supply import Ledger, Transaction

_ZERO, _ONE, _TWO = (number.to_bytes(4) for number in range(3))
_TOTAL_COINS = 10**18  # stroops
_BASE_RESERVE = 5_000_000  # stroops
_IN_CLUSTER, _IN_STAGE = 3, 2  # transactions, clusters


class Header(NamedTuple):
    """What the next ledger takes from a header; amounts in stroops."""

    hash: bytes
    base_fee: int = 100
    fee_pool: int = 0


def make_close_meta(ledger: Ledger, before: Header) -> tuple[Header, bytes]:
    """Return the header for the next ledger, and the LedgerCloseMeta in XDR.

    Args:
        ledger: Its transactions have metas of version 3 or 4.
        before: The header of the ledger before.
    """
    metas = [read_changes(each.result_meta_xdr) for each in ledger.transactions]
    tx_set = _tx_set(ledger, before.hash, [meta.soroban for meta in metas])
    header = _header(ledger, before, sha256(tx_set).digest())
    header_xdr = header.to_xdr_bytes()
    header_hash = sha256(header_xdr).digest()
    fees = fee_changes(ledger, metas)
    parts = [
        *(_TWO, _ext(ledger.sequence), header_hash, header_xdr, _ZERO, tx_set),
        _array([_applied(*both) for both in zip(ledger.transactions, fees, strict=True)]),
        _array([upgrade.to_xdr_bytes() for upgrade in upgrades(ledger.sequence)]),
        _ZERO,  # messages of consensus
        (2**30 + ledger.sequence).to_bytes(8),
        _array([key.to_xdr_bytes() for key in evicted_keys(ledger.sequence)]),
    ]
    return Header(header_hash, header.base_fee.uint32, header.fee_pool.int64), b"".join(parts)


def _header(ledger: Ledger, before: Header, tx_set_hash: bytes) -> xdr.LedgerHeader:
    voted = [each.upgrade for each in upgrades(ledger.sequence)]
    base_fees = [each.new_base_fee.uint32 for each in voted if each.new_base_fee]
    results = [_result_pair(each) for each in ledger.transactions]
    # A TransactionResult starts with the fee charged.
    charged = sum(int.from_bytes(pair[32:40]) for pair in results)
    return xdr.LedgerHeader(
        ledger_version=xdr.Uint32(ledger.protocol),
        previous_ledger_hash=xdr.Hash(before.hash),
        scp_value=_scp_value(ledger, tx_set_hash, voted),
        tx_set_result_hash=xdr.Hash(sha256(_array(results)).digest()),
        bucket_list_hash=xdr.Hash(digest(f"buckets {ledger.sequence}")),
        ledger_seq=xdr.Uint32(ledger.sequence),
        total_coins=xdr.Int64(_TOTAL_COINS),
        fee_pool=xdr.Int64(before.fee_pool + charged),
        inflation_seq=xdr.Uint32(0),
        id_pool=xdr.Uint64(ledger.sequence),
        base_fee=xdr.Uint32([before.base_fee, *base_fees][-1]),
        base_reserve=xdr.Uint32(_BASE_RESERVE),
        max_tx_set_size=xdr.Uint32(1000),
        skip_list=[xdr.Hash(bytes(32))] * 4,
        ext=xdr.LedgerHeaderExt(0),
    )


def _scp_value(
    ledger: Ledger, tx_set_hash: bytes, voted: Sequence[xdr.LedgerUpgrade]
) -> xdr.StellarValue:
    """Make the value that the network agreed on; every third one is not signed."""
    signature = xdr.LedgerCloseValueSignature(
        xdr.NodeID(account(0).xdr_account_id().account_id),
        xdr.Signature(digest(f"signature {ledger.sequence}") * 2),
    )
    signed = xdr.StellarValueExt(
        xdr.StellarValueType.STELLAR_VALUE_SIGNED, lc_value_signature=signature
    )
    basic = xdr.StellarValueExt(xdr.StellarValueType.STELLAR_VALUE_BASIC)
    return xdr.StellarValue(
        xdr.Hash(tx_set_hash),
        xdr.TimePoint(xdr.Uint64(ledger.close_time)),
        [xdr.UpgradeType(each.to_xdr_bytes()) for each in voted],
        signed if ledger.sequence % 3 else basic,
    )


def _tx_set(ledger: Ledger, previous_hash: bytes, soroban: Sequence[bool]) -> bytes:
    """Make the GeneralizedTransactionSet: classic transactions, then those of contracts."""
    phases: tuple[list[Transaction], list[Transaction]] = [], []
    for transaction, of_contracts in zip(ledger.transactions, soroban, strict=True):
        phases[of_contracts].append(transaction)
    # In a set, transactions are ordered by their hashes.
    classic, contracts = (
        [b64decode(each.envelope_xdr) for each in sorted(phase, key=lambda each: each.hash)]
        for phase in phases
    )
    second = _parallel(contracts) if ledger.sequence % 2 else _components(contracts)
    return _ONE + previous_hash + _array([_components(classic), second])


def _components(envelopes: Sequence[bytes]) -> bytes:
    """Make a phase without parallel stages: one component at its bids, one at a base fee."""
    half = len(envelopes) // 2
    bids = _ZERO + _ZERO + _array(envelopes[:half])
    discounted = _ZERO + _base_fee() + _array(envelopes[half:])
    return _ZERO + _array([bids, discounted] if half else [discounted] if envelopes else [])


def _parallel(envelopes: Sequence[bytes]) -> bytes:
    """Make a phase of parallel stages, each of clusters of transactions."""
    clusters = [_array(cluster) for cluster in _chunks(envelopes, _IN_CLUSTER)]
    stages = [_array(stage) for stage in _chunks(clusters, _IN_STAGE)]
    return _ONE + _base_fee() + _array(stages)


def _base_fee() -> bytes:
    return _ONE + (100).to_bytes(8)


def _applied(transaction: Transaction, fees: FeeChanges) -> bytes:
    """Make a TransactionResultMetaV1."""
    meta = b64decode(transaction.result_meta_xdr)
    return _ZERO + _result_pair(transaction) + fees.before + meta + fees.after


def _result_pair(transaction: Transaction) -> bytes:
    return bytes.fromhex(transaction.hash) + b64decode(transaction.result_xdr)


def _ext(sequence: int) -> bytes:
    """Make the extension; every second ledger states what writing 1 KiB costs."""
    return _ONE + _ZERO + (1000).to_bytes(8) if sequence % 2 else _ZERO


def _array(items: Sequence[bytes]) -> bytes:
    return b"".join([len(items).to_bytes(4), *items])


def _chunks(items: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
