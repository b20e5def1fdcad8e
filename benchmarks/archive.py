"""How many bytes a transaction takes in the files of the archive, by table.

    python -m benchmarks.archive [recording …]

The rows of recorded ledgers are written to a database, and from there to one file a
table, as the flow archive does it. What a file takes once, its footer with the schema
and the statistics, is stated apart: recordings are small, partitions are not.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pyarrow import parquet
from sqlalchemy import text

from benchmarks import common, plain
from benchmarks.bloat import recorded_batches, write_batches
from sorobanflow.archive.closed import TABLES
from sorobanflow.archive.contents import contents_of
from sorobanflow.archive.writing import write_file
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.embedded import EmbeddedPostgres

RECORDINGS = ("applyload-10048", "pubnet-30822015", "pubnet-51000294", "pubnet-63092990")


class Sizes(NamedTuple):
    """Bytes of the files of a recording."""

    transactions: int
    files: pd.DataFrame  # by table: rows, data and footer in bytes
    columns: pd.DataFrame  # table, name, bytes


def main(recordings: Sequence[str]) -> None:
    """Measure each recording, print the tables, keep the figures."""
    for name in recordings:
        with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
            common.make_template(postgres)
            with common.fresh_database(postgres) as url:
                sizes = measure(url, name)
        print(f"\n{name}: {sizes.transactions:,} transactions\n\n{table(sizes)}\n")
        print(detail(sizes))
        figures = {"files": sizes.files.reset_index(), "columns": sizes.columns}
        records = {part: frame.to_dict("records") for part, frame in figures.items()}
        common.save(f"archive-{name}", transactions=sizes.transactions, **records)


def measure(database_url: str, recording: str) -> Sizes:
    """Write a recording into an empty database, and from there to files."""
    with (
        recorded_batches(recording) as (client, batches),
        plain.open_store(database_url, client) as engine,
        tempfile.TemporaryDirectory() as folder,
    ):
        write_batches(engine, batches)
        with engine.connect() as connection:
            ends = text("SELECT count(*), min(ledger), max(ledger) FROM transactions")
            transactions, first, last = connection.execute(ends).one()
        for name in TABLES:
            path, ledgers = Path(folder) / name, LedgerRange(first, last)
            write_file(engine, contents_of(engine, name), ledgers, path, lambda rows: None)
        files = pd.DataFrame([_file(Path(folder) / name) for name in TABLES]).set_index("table")
        columns = pd.concat([_columns(Path(folder) / name) for name in TABLES])
    return Sizes(transactions, files, columns)


def _file(path: Path) -> dict[str, str | int]:
    found = parquet.read_metadata(path)
    size, footer = path.stat().st_size, found.serialized_size
    return {"table": path.name, "rows": found.num_rows, "data": size - footer, "footer": footer}


def _columns(path: Path) -> pd.DataFrame:
    found = parquet.read_metadata(path)
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    parts = [group.column(number) for group in groups for number in range(group.num_columns)]
    lines = [(path.name, one.path_in_schema, one.total_compressed_size) for one in parts]
    return pd.DataFrame(lines, columns=["table", "name", "bytes"])


def table(sizes: Sizes) -> str:
    """Write the bytes a transaction of each file."""
    found = sizes.files.copy()
    found.loc["all files"] = found.sum()
    shares = found[["data", "footer"]] / sizes.transactions
    lines = [
        (name, f"{rows:,}", *(f"{share:,.1f}" for share in shares.loc[name]))
        for name, rows in found["rows"].items()
    ]
    return common.markdown(("bytes a transaction", "rows", "data", "footer"), lines)


def detail(sizes: Sizes) -> str:
    """Write the bytes a transaction of each column that takes at least two percent."""
    found = sizes.columns.groupby(["table", "name"])["bytes"].sum()
    large = found[found >= found.sum() / 50].sort_values(ascending=False) / sizes.transactions
    lines = [(*name, f"{value:,.1f}") for name, value in large.items()]
    return common.markdown(("table", "column", "bytes a transaction"), lines)


if __name__ == "__main__":
    main(sys.argv[1:] or RECORDINGS)
