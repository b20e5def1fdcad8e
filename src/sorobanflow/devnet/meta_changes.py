"""The changes of ledger entries in a TransactionMeta, as slices of its XDR."""

from base64 import b64decode
from typing import NamedTuple

from sorobanflow.devnet import xdr_walk as walk


class MetaChanges(NamedTuple):
    """Each LedgerEntryChange, binary, in the order of the meta; whether it has a Soroban part."""

    changes: tuple[bytes, ...] = ()
    soroban: bool = False


def read_changes(meta_xdr: str) -> MetaChanges:
    """Read the changes of a TransactionMeta, base64; none before version 3.

    Raises:
        DecodeError: the meta is malformed.
    """
    data = b64decode(meta_xdr)
    version = walk.uint32(data, 0)
    if version not in (3, 4):
        return MetaChanges()
    changes, at = walk.slices(data, 8, walk.CHANGE)
    count = walk.uint32(data, at)
    at += 4
    for _ in range(count):
        of_operation, at = walk.slices(data, at + 4 * (version == 4), walk.CHANGE)
        changes += of_operation
        at = walk.array(walk.CONTRACT_EVENT)(data, at) if version == 4 else at
    after, at = walk.slices(data, at, walk.CHANGE)
    return MetaChanges(changes + after, bool(walk.uint32(data, at)))
