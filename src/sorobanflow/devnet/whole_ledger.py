"""Read a LedgerCloseMeta, versions 0 to 2: its header, and its transactions.

Values are slices of its XDR. Envelopes come in another order than results and metas, so
they are matched by their hashes. Source: Stellar-ledger.x.
"""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

from sorobanflow.devnet import xdr_walk as walk
from sorobanflow.devnet.supply import Ledger, Transaction
from sorobanflow.devnet.xdr_envelopes import ENVELOPE, FEE_BUMP, TRANSACTION, TRANSACTION_V0
from sorobanflow.devnet.xdr_results import FEE_BUMP_INNER_SUCCESS, RESULT, SUCCESS
from sorobanflow.devnet.xdr_walk import CHANGES, EXT, HASH, U32, U64, VOID, fixed, struct
from sorobanflow.errors import DecodeError

_SIGNATURE = struct(walk.ACCOUNT_ID, walk.opaque)
_PROPOSED = struct(HASH, HASH, U32, _SIGNATURE)
_SCP_VALUE = struct(
    HASH, U64, walk.array(walk.opaque), walk.union({0: VOID, 1: _SIGNATURE, 2: _PROPOSED})
)
#: The fields from the bucket list's hash to the skip list have a constant size.
_HEADER = struct(
    *(U32, HASH, _SCP_VALUE, HASH, fixed(32 + 4 + 8 + 8 + 4 + 8 + 3 * 4 + 4 * 32)),
    walk.union({0: VOID, 1: fixed(8)}),
)
HEADER_ENTRY = struct(HASH, _HEADER, EXT)
_LEDGER_EXT = walk.union({0: VOID, 1: fixed(12)})

_EVENTS, _DIAGNOSTICS = walk.array(walk.CONTRACT_EVENT), walk.array(walk.DIAGNOSTIC_EVENT)
_SOROBAN_V3 = struct(walk.SOROBAN_META_EXT, _EVENTS, walk.SC_VAL, _DIAGNOSTICS)
_SOROBAN_V4 = struct(walk.SOROBAN_META_EXT, walk.optional(walk.SC_VAL))
_OPERATIONS = walk.array(CHANGES)
_META = walk.union(
    {
        0: _OPERATIONS,
        1: struct(CHANGES, _OPERATIONS),
        2: struct(CHANGES, _OPERATIONS, CHANGES),
        3: struct(EXT, CHANGES, _OPERATIONS, CHANGES, walk.optional(_SOROBAN_V3)),
        4: struct(
            *(EXT, CHANGES, walk.array(struct(EXT, CHANGES, _EVENTS)), CHANGES),
            *(walk.optional(_SOROBAN_V4), walk.array(walk.TRANSACTION_EVENT), _DIAGNOSTICS),
        ),
    }
)


def header_entry(close_meta: bytes) -> bytes:
    """Return the LedgerHeaderHistoryEntry; it starts with the ledger's hash."""
    start = _header_start(close_meta)
    return close_meta[start : HEADER_ENTRY(close_meta, start)]


def proved_part(close_meta: bytes) -> range:
    """Return the bytes of header and transaction set, all of which hashes cover."""
    start = _header_start(close_meta)
    _, end = _read_tx_set(close_meta, HEADER_ENTRY(close_meta, start))
    return range(start, end)


def read_ledger(close_meta: bytes, network_id: bytes) -> Ledger:
    """Read a ledger with its transactions, as a node gives them.

    Args:
        close_meta: LedgerCloseMeta, XDR.
        network_id: SHA-256 of the passphrase.

    Raises:
        DecodeError: an envelope is missing: the ledger is of another network.
    """
    sequence, close_time, protocol = read_header(close_meta)
    envelopes, at = _read_tx_set(close_meta, HEADER_ENTRY(close_meta, _header_start(close_meta)))
    by_hash = {transaction_hash(envelope, network_id): envelope for envelope in envelopes}
    applied = enumerate(_read_applied(close_meta, at), start=1)
    transactions = (_transaction(order, by_hash, *parts) for order, parts in applied)
    return Ledger(sequence, close_time, protocol, tuple(transactions))


def read_header(close_meta: bytes) -> tuple[int, int, int]:
    """Read sequence, close time in Unix seconds, and protocol version."""
    header = _header_start(close_meta) + 32
    close_time = int.from_bytes(close_meta[header + 68 : header + 76])
    after_value = _SCP_VALUE(close_meta, header + 36)
    sequence = walk.uint32(close_meta, after_value + 64)
    return sequence, close_time, walk.uint32(close_meta, header)


def _header_start(close_meta: bytes) -> int:
    version = walk.uint32(close_meta, 0)
    if version > 2:
        raise DecodeError(f"the LedgerCloseMeta has version {version}, expected 0 to 2")
    return _LEDGER_EXT(close_meta, 4) if version else 4


def _read_tx_set(data: bytes, at: int) -> tuple[list[bytes], int]:
    """Read the envelopes of a TransactionSet, or of the GeneralizedTransactionSet."""
    if walk.uint32(data, 0) == 0:
        envelopes, at = walk.slices(data, at + 32, ENVELOPE)
        return [*envelopes], at
    found: list[bytes] = []
    phases, at = walk.uint32(data, at + 36), at + 40
    for _ in range(phases):
        is_parallel, at = walk.uint32(data, at), at + 4
        at = (_read_stages if is_parallel else _read_components)(data, at, found)
    return found, at


def _read_components(data: bytes, at: int, found: list[bytes]) -> int:
    components, at = walk.uint32(data, at), at + 4
    for _ in range(components):
        envelopes, at = walk.slices(data, walk.optional(U64)(data, at + 4), ENVELOPE)
        found += envelopes
    return at


def _read_stages(data: bytes, at: int, found: list[bytes]) -> int:
    at = walk.optional(U64)(data, at)
    stages, at = walk.uint32(data, at), at + 4
    for _ in range(stages):
        clusters, at = walk.uint32(data, at), at + 4
        for _ in range(clusters):
            envelopes, at = walk.slices(data, at, ENVELOPE)
            found += envelopes
    return at


def _read_applied(data: bytes, at: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Read hash, TransactionResult and TransactionMeta of each transaction."""
    is_v2 = walk.uint32(data, 0) == 2
    count, at = walk.uint32(data, at), at + 4
    for _ in range(count):
        start = at + 4 * is_v2 + 32
        result = RESULT(data, start)
        meta = CHANGES(data, result)
        end = _META(data, meta)
        yield data[start - 32 : start], data[start:result], data[meta:end]
        at = CHANGES(data, end) if is_v2 else end


def transaction_hash(envelope: bytes, network_id: bytes) -> bytes:
    """Return the hash of a TransactionEnvelope: of a fee bump, the outer one."""
    kind = walk.uint32(envelope, 0)
    if kind == 0:  # hashed in the newer form: with the kind of key before the source account
        body = bytes(4) + envelope[4 : TRANSACTION_V0(envelope, 4)]
        return sha256(network_id + (2).to_bytes(4) + body).digest()
    signed = TRANSACTION if kind == 2 else FEE_BUMP
    return sha256(network_id + envelope[: signed(envelope, 4)]).digest()


def _transaction(
    order: int, by_hash: dict[bytes, bytes], tx_hash: bytes, result: bytes, meta: bytes
) -> Transaction:
    envelope = by_hash.get(tx_hash)
    if envelope is None:
        raise DecodeError(
            f"no envelope has the hash {tx_hash.hex()} of transaction {order}; "
            "give the passphrase of the ledger's network"
        )
    return Transaction(
        tx_hash.hex(),
        order,
        walk.uint32(result, 8) in (SUCCESS, FEE_BUMP_INNER_SUCCESS),
        walk.uint32(envelope, 0) == 5,
        *(b64encode(part).decode() for part in (envelope, result, meta)),
    )
