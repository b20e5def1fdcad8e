from pathlib import Path
from random import Random

import pytest

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.lake.layout import OLDER_SUFFIX, Layout

GALEXIE = Layout(1, 64_000)
OLDER = Layout(64, 10, OLDER_SUFFIX)


@pytest.mark.parametrize(
    ("layout", "ledger", "key"),
    [
        # Of the public store of pubnet.
        (GALEXIE, 50_000_000, "FD054DFF--49984000-50047999/FD050F7F--50000000.xdr.zst"),
        (GALEXIE, 2, "FFFFFFFF--0-63999/FFFFFFFD--2.xdr.zst"),
        (OLDER, 700, "FFFFFD7F--640-1279/FFFFFD7F--640-703.xdr.zstd"),
        (OLDER, 704, "FFFFFD7F--640-1279/FFFFFD3F--704-767.xdr.zstd"),
        (Layout(64, 1), 700, "FFFFFD7F--640-703.xdr.zst"),
        (Layout(1, 1), 700, "FFFFFD43--700.xdr.zst"),
    ],
)
def test_layout_names_objects_as_sep_54_does(layout: Layout, ledger: int, key: str) -> None:
    assert layout.key(ledger) == key
    held = layout.ledgers(key)
    assert held is not None
    assert held.holds(ledger)
    assert held.size == layout.ledgers_per_batch


def test_layout_reads_the_names_of_a_real_lake(test_data: Path) -> None:
    lake = test_data / "lakes" / "testbucket"
    keys = [str(file.relative_to(lake)) for file in lake.rglob("*.zst")]
    assert sorted(GALEXIE.key(ledger) for ledger in (997, 998, 999)) == sorted(keys)
    held = [ledgers for key in sorted(keys) if (ledgers := GALEXIE.ledgers(key))]
    assert held == [LedgerRange(999, 999), LedgerRange(998, 998), LedgerRange(997, 997)]


@pytest.mark.parametrize(
    "key",
    [
        ".config.json",
        "",
        "FFFFFFFF--0-63999",
        "FFFFFFFF--0-63999/FFFFFC19--998.xdr.zstd",
        "FFFFFFFF--0-63999/FFFFFC19--998-999.xdr.zst",
        "FFFFFFFF--0-63999/FFFFFC18--998.xdr.zst",
        "FFFFFFFF--0-63999/FFFFFC19--998.xdr.zst.new",
        "FFFFFFFF--0-64000/FFFFFC19--998.xdr.zst",
        "FFFFFC19--998.xdr.zst",
        "FFFFFFFF--0-63999/../FFFFFC19--998.xdr.zst",
        "FFFFFFFF--0-63999/FFFFFC19--9999999999.xdr.zst",
        "FFFFFFFF--0-63999/FFFFFC19--" + "9" * 5000 + ".xdr.zst",
    ],
)
def test_layout_takes_no_other_key(key: str) -> None:
    assert GALEXIE.ledgers(key) is None


def test_layout_batches_of_a_range_are_whole() -> None:
    assert OLDER.batches(LedgerRange(100, 200)) == [
        LedgerRange(64, 127),
        LedgerRange(128, 191),
        LedgerRange(192, 255),
    ]
    assert GALEXIE.batches(LedgerRange(7, 8)) == [LedgerRange(7, 7), LedgerRange(8, 8)]


@pytest.mark.parametrize("layout", [GALEXIE, OLDER, Layout(64, 1), Layout(7, 3)])
def test_layout_sorts_newer_objects_first(layout: Layout) -> None:
    ledgers = sorted(Random(7).sample(range(2**31), 300))
    keys = [layout.key(ledger) for ledger in ledgers]
    assert keys == sorted(keys, reverse=True)
    for ledger, key in zip(ledgers, keys, strict=True):
        held = layout.ledgers(key)
        assert held is not None
        assert held.holds(ledger)
