"""Lakes of the devnet: the layout of a real one, whole objects, atomic files."""

from pathlib import Path

import pytest
import zstandard
from stellar_sdk import xdr

from sorobanflow.devnet import Chain, ChainLake, Generator, ListedLedgers, write_lake
from sorobanflow.devnet.lake import FolderLake, LakeLayout
from sorobanflow.devnet.supply import Network
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange
from tests.whole_ledgers import TESTNET

NETWORK = Network(TESTNET, 20)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def batch(content: bytes | None) -> xdr.LedgerCloseMetaBatch:
    assert content is not None
    return xdr.LedgerCloseMetaBatch.from_xdr_bytes(zstandard.decompress(content))


def sequences(content: bytes | None) -> tuple[int, int, list[int]]:
    read = batch(content)
    metas = [meta.v2.ledger_header.header.ledger_seq.uint32 for meta in read.ledger_close_metas]
    return read.start_sequence.uint32, read.end_sequence.uint32, metas


def test_written_lake_has_the_layout_of_a_real_one(test_data: Path, tmp_path: Path) -> None:
    real = test_data / "lakes/testbucket"
    supply = ListedLedgers([], 990, 1000, NETWORK)
    assert write_lake(supply, tmp_path, LedgerRange(997, 999)) == (997, 999)
    assert files(tmp_path) == files(real)
    assert (tmp_path / ".config.json").read_bytes() == (real / ".config.json").read_bytes()
    name = "FFFFFFFF--0-63999/FFFFFC19--998.xdr.zst"
    assert sequences((tmp_path / name).read_bytes()) == (998, 998, [998])
    written, of_galexie = (
        zstandard.get_frame_parameters((folder / name).read_bytes()) for folder in (tmp_path, real)
    )
    assert written.has_checksum == of_galexie.has_checksum


@pytest.mark.parametrize(
    ("layout", "sequence", "key"),
    [
        (LakeLayout(), 50_000_000, "FD054DFF--49984000-50047999/FD050F7F--50000000.xdr.zst"),
        (LakeLayout(64, 10), 700, "FFFFFD7F--640-1279/FFFFFD7F--640-703.xdr.zst"),
        (LakeLayout(10, 1), 25, "FFFFFFEB--20-29.xdr.zst"),
        (LakeLayout(1, 1), 25, "FFFFFFE6--25.xdr.zst"),
    ],
)
def test_keys(layout: LakeLayout, sequence: int, key: str) -> None:
    assert layout.key(sequence) == key


def test_objects_hold_whole_batches(tmp_path: Path) -> None:
    supply = ListedLedgers([], 1, 20, NETWORK)
    told: list[LedgerRange] = []
    assert write_lake(supply, tmp_path, LedgerRange(2, 9), 4, 2, told.append) == (1, 11)
    assert told == [(1, 3), (4, 7), (8, 11)]
    assert files(tmp_path) == [
        ".config.json",
        "FFFFFFF7--8-15/FFFFFFF7--8-11.xdr.zst",
        "FFFFFFFF--0-7/FFFFFFFB--4-7.xdr.zst",
        "FFFFFFFF--0-7/FFFFFFFF--0-3.xdr.zst",
    ]
    assert sequences((tmp_path / files(tmp_path)[3]).read_bytes()) == (1, 3, [1, 2, 3])


@pytest.mark.parametrize("ledgers", [LedgerRange(7, 8), LedgerRange(20, 21)])
def test_batches_that_are_not_whole_are_refused(tmp_path: Path, ledgers: LedgerRange) -> None:
    supply = ListedLedgers([], 6, 21, NETWORK)
    with pytest.raises(ConfigurationError, match="is not whole: there are the ledgers 6-21"):
        write_lake(supply, tmp_path, ledgers, 4)
    with pytest.raises(ConfigurationError, match="at least 1"):
        write_lake(supply, tmp_path, ledgers, 0)


def test_lake_of_a_chain_grows_with_it_and_keeps_what_its_node_drops() -> None:
    chain = Chain(Generator(1, transactions_per_ledger=1), closed=6, retention=2)
    lake = ChainLake(chain, 4, 1)
    assert sequences(lake.read("FFFFFFFF--0-3.xdr.zst")) == (1, 3, [1, 2, 3])
    assert lake.read("FFFFFFFB--4-7.xdr.zst") is None
    chain.close()
    assert sequences(lake.read("FFFFFFFB--4-7.xdr.zst")) == (4, 7, [4, 5, 6, 7])
    for wrong in ("FFFFFFFB--4-8.xdr.zst", "FFFFFFFA--5.xdr.zst", "x", "", ".config.jsn"):
        assert lake.read(wrong) is None


def test_folder_gives_no_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    write_lake(ListedLedgers([], 1, 2, NETWORK), folder, LedgerRange(1, 2))
    (tmp_path / "secret").write_text("x")
    (folder / "secret").write_text("x")
    lake = FolderLake(folder)
    assert lake.read(".config.json") is not None
    assert lake.read("FFFFFFFF--0-63999/FFFFFFFE--1.xdr.zst") is not None
    assert lake.read("FFFFFFFF--0-63999/FFFFFFFC--3.xdr.zst") is None
    for key in ("secret", "../secret", "..", "FFFFFFFF--0-63999", "", "/etc/passwd"):
        assert lake.read(key) is None
