"""Export: a table or view and a ledger range to Parquet or CSV files.

For pandas, DuckDB or a spreadsheet. The package `sorobanflow.export` reads the rows
and writes the files.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks import Database
from blocks.documents import load_block
from flows.harness.bar import View, shown_bar
from flows.harness.described_flow import described_flow
from flows.harness.patience import PREFECT, patience
from flows.harness.progress import Pace, Spacing
from flows.harness.run_page import conclude, tag_with_database
from flows.harness.terminal import run_flow
from flows.parameters.export import Export
from sorobanflow.export.run import ExportSummary, Request
from sorobanflow.export.run import export as run_export
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store import schema


@described_flow(Export, name="export", flow_run_name="export {table}")
def export(given: Export) -> State[ExportSummary]:
    """Read the rows of one snapshot and write them to files."""
    request = Request(
        given.table,
        given.first_ledger,
        given.last_ledger,
        given.stream,
        given.format,
        given.folder,
        given.rows_per_file,
    )
    with patience(given.stall_s) as patient, ExitStack() as stack:
        block = patient.retry(PREFECT, lambda: load_block(Database, given.database))
        engine = patient.retry(
            "a connection to the database",
            lambda: stack.enter_context(block.engine(patient.watch_pool)),
        )
        patient.retry("the database's schema", partial(schema.prepare, engine))
        tag_with_database(engine)
        progress = RowProgress(get_run_logger().info, on_progress=patient.progressed)
        summary = patient.retry(
            f"rows of {given.table}", lambda: run_export(engine, request, progress.show)
        )
    conclude("export", summary, f"export {given.table} {summary.ledgers}")
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
