"""A data lake of whole ledgers (SEP-54): its layout, and two lakes to read from.

A lake is a manifest and objects, each of a batch of ledgers; a key names the ledgers of
its object, and the newest sorts first. `FolderLake` reads files, `ChainLake` makes the
objects of a chain when they are asked for. Source: SEP-54.
"""

import re
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import msgspec
import zstandard

from sorobanflow.devnet.chain import Chain
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange

MANIFEST = ".config.json"
FIRST_OF_NETWORK = 2
_MAX_LEDGER = 2**32 - 1
_KEY = re.compile(
    r"(?:[0-9A-F]{8}--\d+-\d+/)?[0-9A-F]{8}--(?P<first>\d{1,10})(?:-(?P<last>\d{1,10}))?\.xdr\.zstd?"
)


class LakeLayout(NamedTuple):
    """How many ledgers an object holds, and how many objects a folder holds."""

    ledgers_per_batch: int = 1
    batches_per_partition: int = 64_000

    def batch(self, sequence: int) -> LedgerRange:
        """Return the ledgers that the key of a ledger's object names."""
        return _around(sequence, self.ledgers_per_batch)

    def key(self, sequence: int) -> str:
        """Return the key of the object that holds a ledger."""
        batch = self.batch(sequence)
        name = f"{_MAX_LEDGER - batch.first:08X}--{batch.first}"
        name += f"-{batch.last}" if batch.size > 1 else ""
        if self.batches_per_partition == 1:
            return f"{name}.xdr.zst"
        part = _around(sequence, self.ledgers_per_batch * self.batches_per_partition)
        return f"{_MAX_LEDGER - part.first:08X}--{part.first}-{part.last}/{name}.xdr.zst"

    def manifest(self, passphrase: str) -> bytes:
        """Return the manifest of a lake of a network, as Galexie writes it."""
        members = {
            "networkPassphrase": passphrase,
            "version": "1.0",
            "compression": "zstd",
            "ledgersPerBatch": self.ledgers_per_batch,
            "batchesPerPartition": self.batches_per_partition,
        }
        return msgspec.json.format(msgspec.json.encode(members)) + b"\n"

    def checked(self) -> Self:
        """Return the layout.

        Raises:
            ConfigurationError: a number is less than 1.
        """
        if min(self) < 1:
            raise ConfigurationError(
                f"{self.ledgers_per_batch} ledgers per batch and {self.batches_per_partition} "
                "batches per partition; each must be at least 1"
            )
        return self


class Lake(Protocol):
    """Where a lake server takes its objects from."""

    def read(self, key: str) -> bytes | None:
        """Return the manifest or an object by its key; None if the lake has none."""


class FolderLake:
    """A lake in a folder; only keys of lakes are read.

    Args:
        folder: The folder that holds the manifest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> bytes | None:
        """Return the file with this key, or None."""
        if key != MANIFEST and first_ledger(key) is None:
            return None
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None


class ChainLake:
    """A lake of all ledgers that a chain has closed, also of those that its node dropped.

    Args:
        chain: An object is there once its last ledger has closed.
        ledgers_per_batch: Ledgers of an object.
        batches_per_partition: Objects of a folder; with 1 there are no folders.

    Raises:
        ConfigurationError: a number is less than 1.
    """

    def __init__(
        self, chain: Chain, ledgers_per_batch: int = 1, batches_per_partition: int = 64_000
    ) -> None:
        self._chain = chain
        self.layout = LakeLayout(ledgers_per_batch, batches_per_partition).checked()

    def read(self, key: str) -> bytes | None:
        """Return the manifest, or make an object, or None."""
        if key == MANIFEST:
            return self.layout.manifest(self._chain.network.passphrase)
        sequence = first_ledger(key)
        if sequence is None or self.layout.key(sequence) != key:
            return None
        ledgers = self.held(sequence)
        return None if ledgers is None else self._object(ledgers)

    def held(self, sequence: int) -> LedgerRange | None:
        """Return the ledgers of the object that holds a ledger; None if there is no object.

        The first object of a network starts with the network, others hold whole batches.
        """
        batch = self.layout.batch(sequence)
        first = self._chain.first
        if batch.first < first <= min(batch.last, FIRST_OF_NETWORK):
            batch = LedgerRange(first, batch.last)
        is_there = first <= batch.first and batch.last <= self._chain.window().last
        return batch if is_there else None

    def _object(self, ledgers: LedgerRange) -> bytes:
        metas = [self._chain.close_meta(each) for each in range(ledgers.first, ledgers.last + 1)]
        return pack(ledgers, metas)


def first_ledger(key: str) -> int | None:
    """Return the first ledger that an object's key names; None if it is no such key."""
    named = _KEY.fullmatch(key)
    return int(named["first"]) if named else None


def pack(ledgers: LedgerRange, metas: list[bytes]) -> bytes:
    """Make an object: zstd of the LedgerCloseMetaBatch of these ledgers."""
    ends = ledgers.first.to_bytes(4) + ledgers.last.to_bytes(4)
    return compress(ends + len(metas).to_bytes(4) + b"".join(metas))


def compress(batch: bytes) -> bytes:
    """Compress a LedgerCloseMetaBatch as Galexie does: one frame with a checksum."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(batch)


def _around(sequence: int, size: int) -> LedgerRange:
    first = sequence - sequence % size
    return LedgerRange(first, first + size - 1)
