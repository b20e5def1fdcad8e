"""What a filter costs over whole ledgers: those that hold nothing of it are only searched.

    python -m benchmarks.filtered [rounds]

Objects of a data lake, each with one real ledger, as a decode process takes them: 99 that do not
hold the filter's contract and one that does, beside making the rows of everything. Milliseconds
of CPU a ledger, and ledgers of 372 kB a second and core, the size of a ledger of pubnet in 2024;
larger ones take as much longer. Fetching is not in it.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pandas as pd
from stellar_sdk import StrKey
from zstandard import ZstdCompressor

from benchmarks import common
from sorobanflow.devnet.ledger_file import LedgerFile
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import reduced_gc
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import LedgerObject

PUBNET = "Public Global Stellar Network ; September 2015"
LEDGERS = {
    "pubnet-51000294": PUBNET,
    "pubnet-63092990": PUBNET,
}
#: Of so many ledgers one holds the contract.
ONE_IN = 100
USUAL_BYTES = 372_000
#: A contract that no ledger holds.
NOWHERE = EventFilter((StrKey.encode_contract(bytes([1]) * 32),))
COLUMNS = ("skipped", "decoded for the filter", "1 % of them", "everything")


class _Ledger(NamedTuple):
    """A real ledger: its object, the filter of a contract in it, the network's passphrase."""

    object: LedgerObject
    of_contract: EventFilter
    passphrase: str


def main(rounds: int) -> None:
    """Run the rounds, print the table, keep the medians."""
    with reduced_gc():
        results = measure(rounds, [*LEDGERS])
    print(table(results))
    common.save("filtered", rounds=rounds, milliseconds=results.to_dict("index"))


def measure(rounds: int, names: Sequence[str]) -> pd.DataFrame:
    """Give the medians of milliseconds of CPU a ledger, in a row for each file of ledgers."""
    rows = []
    for name in names:
        ledger = _read(name)
        skipped = _median(rounds * 5, lambda one=ledger: _make(one, NOWHERE))
        held = _median(rounds, lambda one=ledger: _make(one, one.of_contract))
        everything = _median(rounds, lambda one=ledger: _make(one, None))
        mixed = (skipped * (ONE_IN - 1) + held) / ONE_IN
        figures = dict(zip(COLUMNS, (skipped, held, mixed, everything), strict=True))
        rows.append({"ledger": name, "bytes": ledger.object.size_bytes} | figures)
    return pd.DataFrame(rows).set_index("ledger")


def _make(ledger: _Ledger, event_filter: EventFilter | None) -> None:
    one = ledger.object
    rows = make_rows(
        one.ledgers, [], [], ledger.passphrase, objects=[one], event_filter=event_filter
    )
    assert bool(rows.events) == (event_filter is not NOWHERE)


def _median(rounds: int, make: Callable[[], None]) -> float:
    times = []
    for _ in range(rounds):
        began = time.process_time()
        make()
        times.append((time.process_time() - began) * 1e3)
    return median(times)


def _read(name: str) -> _Ledger:
    """Read the first ledger of a file, with the filter of its rarest contract."""
    beside = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("SOROBANFLOW_TEST_DATA") or beside) / "ledgers"
    file = LedgerFile(folder / f"{name}.xdr.zst", LEDGERS[name])
    number = file.first
    held = LedgerRange(number, number)
    head = b"".join(n.to_bytes(4, "big") for n in (*held, 1))
    data = head + file.close_meta(number)
    packed = ZstdCompressor().compress(data)
    one = LedgerObject(name, held, packed, is_batch=True, xdr_bytes=len(data))
    contracts = Counter(event.event.contract for event in file.ledger(number).events)
    rarest = min((contract for contract in contracts if contract), key=contracts.__getitem__)
    return _Ledger(one, EventFilter((StrKey.encode_contract(rarest),)), LEDGERS[name])


def table(results: pd.DataFrame) -> str:
    """Write the milliseconds, and the ledgers of the usual size a second and core."""
    columns = ("ms of CPU a ledger", "kB", *COLUMNS, "1 %, ledgers/s", "everything, ledgers/s")
    rows = [
        (
            name,
            f"{row['bytes'] / 1000:,.0f}",
            *(f"{row[column]:,.2f}" for column in COLUMNS),
            *(f"{_per_second(row, column):,.0f}" for column in COLUMNS[2:]),
        )
        for name, row in results.iterrows()
    ]
    return common.markdown(columns, rows)


def _per_second(row: "pd.Series[float]", column: str) -> float:
    return 1e3 / (row[column] * USUAL_BYTES / row["bytes"])


if __name__ == "__main__":
    main(common.rounds_wanted())
