"""Export: a table or view and a ledger range to Parquet or CSV files.

For whoever goes on in pandas, DuckDB or a spreadsheet. What an export is and
how it stays exact is in `sorobanflow.export`; here are its parameters and what
a person sees of it.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from blocks import Database
from blocks.documents import DEFAULT_NAME, load_block
from flows.harness.parameters import Ledger
from flows.harness.progress import Spacing
from flows.harness.run_page import conclude
from flows.harness.terminal import run_flow
from sorobanflow.export.files import Format
from sorobanflow.export.run import ExportSummary, Request
from sorobanflow.export.run import export as run_export
from sorobanflow.store import schema


@flow(name="export", flow_run_name="export {table}", validate_parameters=True, persist_result=False)
def export(
    table: str,
    first_ledger: Ledger | None = None,
    last_ledger: Ledger | None = None,
    format: Format = "parquet",
    folder: str = "export",
    stream: str = "all",
    rows_per_file: Annotated[int, Field(ge=1000)] = 1_000_000,
    database: str = DEFAULT_NAME,
) -> State[ExportSummary]:
    """Export a table or view and a ledger range to Parquet or CSV files.

    Reads the block `sorobanflow-database` and one snapshot of the database;
    writes files and, last, their manifest. A second run replaces them as a
    whole; a crash half-way leaves the older ones, or files without a manifest.

    Args:
        table: A table with ledgers (events, transactions, operations,
            token_operations, ledgers, …) or a view with a column `ledger`. Of a
            table of state, the entries that changed last in these ledgers.
        first_ledger: First ledger. Empty: the first that is covered.
        last_ledger: Last ledger, included. Empty: the last that is covered.
        format: "parquet" or "csv". In CSV a null is an empty field, an empty text
            is "" in quotes, bytes are hex.
        folder: Folder of the files, on the machine that runs this; made if missing.
        stream: Stream of coverage that must hold every ledger: "all", or the
            "filter-…" of a filtered index. Rows of other streams are not left out.
        rows_per_file: Rows after which another file begins.
        database: Name of the sorobanflow-database block.
    """
    request = Request(table, first_ledger, last_ledger, stream, format, Path(folder), rows_per_file)
    with load_block(Database, database).engine() as engine:
        schema.prepare(engine)
        summary = run_export(engine, request, Progress(get_run_logger().info).read)
    conclude("export", summary, f"export {table} {summary.ledgers}")
    return Completed(message=summary.headline(), data=summary)


class Progress:
    """Says now and then how far the export is.

    Args:
        say: Takes the line.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._began = clock()
        self._lines = Spacing(clock)

    def read(self, rows: int, ledger: int) -> None:
        """Take in the rows so far; say so now and then."""
        if self._lines.due():
            rate = rows / (self._clock() - self._began)
            self._say(f"at ledger {ledger}: {rows:,} rows, {rate:,.0f} rows/s")


if __name__ == "__main__":
    sys.exit(run_flow(export, sys.argv[1:]))
