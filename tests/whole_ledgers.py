"""Read the whole ledgers of the test data: LedgerCloseMetas as bytes, in the order of the file."""

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from stellar_sdk import xdr
from xdrlib3 import Unpacker
from zstandard import ZstdCompressor, ZstdDecompressor

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import LedgerObject

PUBNET = "Public Global Stellar Network ; September 2015"
#: Passphrases of the files of framed ledgers, by their stems. That of loadtest-v23 is not known:
#: its first ledger has no transactions, and the others are not what their hashes say.
PASSPHRASES = {
    "pubnet-51000294": PUBNET,
    "pubnet-63092990": PUBNET,
    "applyload-10048": "Apply Load",
    "loadtest-v23": "",
}
CORE_PASSPHRASE = "(V) (;,,;) (V)"
#: Of the lake in lakes/testbucket.
TESTNET = "Test SDF Network ; September 2015"

_LAST_FRAGMENT = 0x8000_0000


class WholeLedger(NamedTuple):
    """A LedgerCloseMeta, and a name that says which file it came from."""

    name: str
    xdr: bytes


def framed_ledgers(test_data: Path, stem: str) -> Iterator[WholeLedger]:
    """Read a file of framed ledgers: each stands after its length (RFC 5531)."""
    path = test_data / "ledgers" / f"{stem}.xdr.zst"
    with path.open("rb") as file, ZstdDecompressor().stream_reader(file) as frames:
        number = 0
        while head := frames.read(4):
            size = int.from_bytes(head, "big") - _LAST_FRAGMENT
            number += 1
            yield WholeLedger(f"{stem} #{number}", frames.read(size))


def core_chains(test_data: Path) -> Iterator[list[WholeLedger]]:
    """Read the ledgers of stellar-core's own tests: one chain for each of their 203 files."""
    with gzip.open(test_data / "ledgers" / "core-tests.jsonl.gz", "rt") as lines:
        next(lines)
        for line in lines:
            row = json.loads(line)
            name = f"{row['test']} {row['file']}"
            yield [
                WholeLedger(f"{name} #{number}", b64decode(text))
                for number, text in enumerate(row["ledgers"], start=1)
            ]


def stated_header(ledger: WholeLedger) -> xdr.LedgerHeaderHistoryEntry:
    """Read what the ledger states of its header, without the rest of it."""
    version, ext = ledger.xdr[3], ledger.xdr[7]
    unpacker = Unpacker(ledger.xdr)
    unpacker.set_position(4 if version == 0 else 20 if ext else 8)
    return xdr.LedgerHeaderHistoryEntry.unpack(unpacker)


def sequence(ledger: WholeLedger) -> int:
    """Give the ledger's number."""
    return stated_header(ledger).header.ledger_seq.uint32


def one_object(ledger: WholeLedger) -> LedgerObject:
    """Make the object of one ledger, as getLedgers gives it."""
    number = sequence(ledger)
    return LedgerObject(ledger.name, LedgerRange(number, number), ledger.xdr, is_batch=False)


def batch_object(ledgers: Sequence[WholeLedger]) -> LedgerObject:
    """Make the object of a data lake that holds these ledgers."""
    held = LedgerRange(sequence(ledgers[0]), sequence(ledgers[-1]))
    data = pack(held, [ledger.xdr for ledger in ledgers])
    return LedgerObject(ledgers[0].name, held, data, is_batch=True)


def pack(stated: LedgerRange, ledgers: Sequence[bytes]) -> bytes:
    """Compress a LedgerCloseMetaBatch that states a range and holds these ledgers."""
    head = b"".join(number.to_bytes(4, "big") for number in (*stated, len(ledgers)))
    return ZstdCompressor(1).compress(head + b"".join(ledgers))
