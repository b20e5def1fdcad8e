"""Export: a table or view and a ledger range to Parquet or CSV files.

For pandas, DuckDB or a spreadsheet. The package `sorobanflow.export` reads the rows
and writes the files.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from blocks import Database
from blocks.documents import DEFAULT_NAME, load_block
from flows.harness.bar import View, shown_bar
from flows.harness.parameters import STALL_S, Ledger, StallSeconds
from flows.harness.patience import PREFECT, patience
from flows.harness.progress import Pace, Spacing
from flows.harness.run_page import conclude
from flows.harness.terminal import run_flow
from sorobanflow.export.files import Format
from sorobanflow.export.run import ExportSummary, Request
from sorobanflow.export.run import export as run_export
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store import schema


@flow(name="export", flow_run_name="export {table}", persist_result=False)
def export(
    table: str,
    first_ledger: Ledger | None = None,
    last_ledger: Ledger | None = None,
    format: Format = "parquet",
    folder: str = "export",
    stream: str = "all",
    rows_per_file: Annotated[int, Field(ge=1000)] = 1_000_000,
    stall_s: StallSeconds = STALL_S,
    database: str = DEFAULT_NAME,
) -> State[ExportSummary]:
    """Export a table or view and a ledger range to Parquet or CSV files.

    Reads the block `sorobanflow-database` and one snapshot of the database; writes
    files and, last, their manifest. A second run replaces all of them; a crash
    half-way leaves the older files, or files without a manifest.

    Args:
        table: A table with ledgers (events, transactions, operations,
            token_operations, ledgers, …) or a view with a column `ledger`. A state
            table gives the entries whose last change is in these ledgers.
        first_ledger: First ledger. Empty: the first covered one.
        last_ledger: Last ledger, included. Empty: the last covered one.
        format: "parquet" or "csv". In CSV a null is an empty field, an empty text
            is "" in quotes, bytes are hex.
        folder: Folder of the files, on the machine of the run; created if missing.
        stream: Stream whose coverage must hold every ledger: "all", or the
            "filter-…" of a filtered index. Rows of other streams are exported too.
        rows_per_file: Maximum number of rows in a file.
        stall_s: Seconds without new rows from the database after which the run fails. An
            export whose connection is lost starts again within this time.
        database: Name of the sorobanflow-database block.
    """
    request = Request(table, first_ledger, last_ledger, stream, format, Path(folder), rows_per_file)
    with patience(stall_s) as patient, ExitStack() as stack:
        block = patient.retry(PREFECT, lambda: load_block(Database, database))
        engine = patient.retry(
            "a connection to the database",
            lambda: stack.enter_context(block.engine(patient.watch_pool)),
        )
        patient.retry("the database's schema", partial(schema.prepare, engine))
        progress = RowProgress(get_run_logger().info, on_progress=patient.progressed)
        summary = patient.retry(
            f"rows of {table}", lambda: run_export(engine, request, progress.show)
        )
    conclude("export", summary, f"export {table} {summary.ledgers}")
    return Completed(message=summary.headline(), data=summary)


class RowProgress:
    """Says how far the export is, in a bar or from time to time in the log.

    The clock is monotonic. Rows that an attempt before this one read too are no progress.
    """

    def __init__(
        self,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        on_progress: Callable[[], object] = lambda: None,
    ) -> None:
        self._log = log
        self._clock = clock
        self._pace = Pace(clock)
        self._lines = Spacing(clock)
        self._left: LedgerRange | None = None
        self._first = 0
        self._bar = shown_bar.get()
        if self._bar:
            self._bar.read = self._view
        self._on_progress = on_progress
        self._max_rows = 0

    def show(self, rows: int, left: LedgerRange) -> None:
        """Show the number of rows so far; `left` begins with the ledger of the last one."""
        self._left = left
        self._first = self._first or left.first
        if rows > self._max_rows:
            self._max_rows = rows
            self._pace.note(rows)
            self._on_progress()
        if not self._bar and self._lines.due():
            rate = self._pace.per_second()
            self._log(f"at ledger {left.first}: {rows:,} rows, {rate:,.0f} rows/s")

    def _view(self) -> View:
        if self._left is None:
            return View("exporting")
        left, rate = self._left, self._pace.per_second()
        figures = f"{self._max_rows:,} rows, {rate:,.0f}/s, at ledger {left.first} of {left.last}"
        return View("exporting", left.first - self._first, left.last - self._first, figures)


if __name__ == "__main__":
    sys.exit(run_flow(export, sys.argv[1:]))
