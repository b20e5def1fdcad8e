"""Whole ledgers of a file: real ledgers of a network, with headers and fee changes.

Format: zstd of framed XDR, each LedgerCloseMeta behind 4 bytes that hold its length and
have the top bit set (the record mark of RFC 5531). The ledgers are contiguous. The file
is read at the start, the transactions of a ledger when they are asked for.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import zstandard

from sorobanflow.devnet import xdr_walk as walk
from sorobanflow.devnet.supply import Ledger, Network, StoredEntry
from sorobanflow.devnet.whole_ledger import read_header, read_ledger
from sorobanflow.errors import ConfigurationError, DecodeError

_TOP_BIT = 2**31


class LedgerFile:
    """A supply of the whole ledgers of a file.

    Args:
        path: The file.
        passphrase: Passphrase of the network, which the file does not state.

    Raises:
        ConfigurationError: the file is not of this format, or has a gap.
    """

    def __init__(self, path: Path, passphrase: str) -> None:
        try:
            metas = [
                *_frames(zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()))
            ]
            headers = [read_header(meta) for meta in metas]
        except (DecodeError, zstandard.ZstdError, walk.OutOfData) as error:
            raise ConfigurationError(f"{path.name} holds no framed ledgers: {error}") from error
        sequences = [header[0] for header in headers]
        if not sequences or sequences != [*range(sequences[0], sequences[0] + len(sequences))]:
            raise ConfigurationError(f"{path.name} has no ledgers, or a gap: {sequences[:10]}")
        self.network = Network(passphrase, headers[-1][2])
        self.first = sequences[0]
        self.last: int | None = sequences[-1]
        self._metas, self._close_times = metas, [header[1] for header in headers]
        self._network_id = sha256(passphrase.encode()).digest()
        self._ledgers: dict[int, Ledger] = {}

    def close_time(self, sequence: int) -> int:
        """Return when a ledger closed."""
        return self._close_times[sequence - self.first]

    def ledger(self, sequence: int) -> Ledger:
        """Return one ledger; it is read at the first request."""
        if sequence not in self._ledgers:
            self._ledgers[sequence] = read_ledger(self.close_meta(sequence), self._network_id)
        return self._ledgers[sequence]

    def entry(self, key: bytes, ledger: int) -> StoredEntry | None:
        """Return None: entries are not kept by key."""
        return None

    def close_meta(self, sequence: int) -> bytes:
        """Return a ledger as the file holds it."""
        return self._metas[sequence - self.first]


def _frames(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        mark = walk.uint32(data, at)
        end = at + 4 + mark - _TOP_BIT
        if mark < _TOP_BIT or end > len(data):
            raise DecodeError(f"the frame at byte {at} has the mark {mark:#x}")
        yield data[at + 4 : end]
        at = end
