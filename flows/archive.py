"""Archive: closed partitions to Parquet files, and old ones out of the database.

Each table of a partition is written, compared row for row and recorded; a partition that is
older than what is kept is dropped after that. The package `sorobanflow.archive` does it.
"""

import sys
from contextlib import ExitStack
from functools import partial

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed
from sqlalchemy import Engine

from blocks import Database, DataLake
from blocks.documents import load_block
from flows.harness.described_flow import described_flow
from flows.harness.patience import DATABASE, PREFECT, Patience, patience
from flows.harness.progress import Progress
from flows.harness.run_page import conclude, tag_with_database
from flows.harness.terminal import run_flow
from flows.parameters.archive import Archive
from sorobanflow.archive.closed import TABLES, Work, find_work, ledgers_of
from sorobanflow.archive.partition import archive_table
from sorobanflow.archive.retention import drop
from sorobanflow.archive.summary import ArchiveSummary
from sorobanflow.store import schema
from sorobanflow.store.places import Place, open_place
from sorobanflow.texts import size


@described_flow(Archive, name="archive", flow_run_name="archive")
def archive(given: Archive) -> State[ArchiveSummary]:
    """Write what is closed, then drop what is old."""
    summary = ArchiveSummary(given.target or "")
    with patience(given.stall_s) as patient, ExitStack() as stack:
        place = _place(given, patient)
        block = patient.retry(PREFECT, lambda: load_block(Database, given.database))
        engine = patient.retry(
            DATABASE, lambda: stack.enter_context(block.engine(patient.watch_pool))
        )
        patient.retry("the database's schema", partial(schema.prepare, engine))
        tag_with_database(engine)
        work = patient.retry(DATABASE, lambda: find_work(engine))
        summary.waiting = work.waiting
        if place is not None:
            _write(engine, place, work, summary, patient)
        if given.keep_ledgers is not None:
            _drop(engine, work, given.keep_ledgers, summary, patient, archived=place is not None)
    conclude("archive", summary, None)
    return Completed(message=summary.headline(), data=summary)


def _place(given: Archive, patient: Patience) -> Place | None:
    """Open the target, with the credentials of a block."""
    if given.target is None:
        return None
    options: dict[str, str] = {}
    if given.credentials is not None:
        name = given.credentials
        options = patient.retry(PREFECT, lambda: load_block(DataLake, name)).options()
    return open_place(given.target, options)


def _write(
    engine: Engine, place: Place, work: Work, summary: ArchiveSummary, patient: Patience
) -> None:
    """Archive the closed partitions that lack a file."""
    progress = Progress("archive-progress", sum(one.size for one in work.unarchived), "archiving")
    done = 0
    for ledgers in work.unarchived:
        for table in TABLES:
            patient.waits_for = partial(str, f"rows of {table}, ledgers {ledgers}")
            written = archive_table(engine, table, ledgers, place, patient.progressed)
            get_run_logger().info(f"{written.path}: {written.rows:,} rows, {size(written.bytes)}")
            summary.files.append(written)
        done += ledgers.size
        progress.show(done)
    progress.close(done)


def _drop(
    engine: Engine,
    work: Work,
    keep_ledgers: int,
    summary: ArchiveSummary,
    patient: Patience,
    *,
    archived: bool,
) -> None:
    """Drop the partitions before the ledgers that are kept, and those a killed run left."""
    for partition in work.expired(keep_ledgers):
        patient.waits_for = partial(str, f"the drop of ledgers {ledgers_of(partition)}")
        if drop(engine, partition, archived=archived):
            summary.dropped.append(ledgers_of(partition))
            summary.dropped_bytes += partition.size_bytes
        else:
            get_run_logger().warning(
                f"ledgers {ledgers_of(partition)} stay: they were indexed again after they were "
                "archived; the next run archives and drops them"
            )
        patient.progressed()


if __name__ == "__main__":
    sys.exit(run_flow(archive, sys.argv[1:]))
