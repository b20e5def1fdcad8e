"""Audit: does the database hold what a stream promises, and does it agree with the node?

Looks, repairs if asked, and looks again, with the parts of `sorobanflow.audit`.
"""

import sys
from collections.abc import Sequence
from functools import partial

from prefect import get_run_logger
from prefect.client.schemas.objects import State

from blocks import DataLake
from blocks.documents import load_block
from flows.harness.described_flow import described_flow
from flows.harness.indexer import Indexer, open_indexer
from flows.harness.outcome import final_state
from flows.harness.patience import DATABASE, PREFECT, patience
from flows.harness.progress import Progress
from flows.harness.repair import repair_found, window_of
from flows.harness.run_page import conclude, name_run, tag_run
from flows.harness.sources import Settings
from flows.harness.terminal import run_flow
from flows.parameters.audit import Audit
from sorobanflow.audit.agreement import Compared, Failure, find_future_rows
from sorobanflow.audit.files import CheckedFiles, check_files
from sorobanflow.audit.look import Look, look_at
from sorobanflow.audit.metrics import write_metrics
from sorobanflow.audit.ranges import choose_sample, promised_from, requested_range
from sorobanflow.audit.shapes import recognize
from sorobanflow.audit.summary import AuditSummary
from sorobanflow.errors import SorobanflowError
from sorobanflow.ledgers import (
    LedgerRange,
    clip,
    count_ledgers,
    split,
)
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.archives import read_archives
from sorobanflow.store.claims import MAX_LEDGERS
from tasks.compare_ledgers import compare_ledgers
from tasks.report import report_findings, report_status

#: Ledgers compared by one task: some 4000 transactions on a busy network.
CHUNK_LEDGERS = 20
#: Tasks that run or wait for a worker at the same time.
MAX_TASKS = MAX_LEDGERS // CHUNK_LEDGERS
#: How often an audit repairs what only its last repair made visible.
MAX_REPAIRS = 3
#: Findings in the log; the artifact has up to 200 of each kind.
MAX_LOGGED_FINDINGS = 20


@described_flow(Audit, name="audit", flow_run_name="audit")
def audit(given: Audit) -> State[RunSummary]:
    """Look at the stream, repair it if asked, and report what was found and what is left."""
    summary = AuditSummary(RpcStats(), anchor=given.trusted)
    settings = Settings(given.rpc, given.database, given.event_filter)
    try:
        with (
            patience(given.stall_s) as patient,
            open_indexer(settings, summary, patient) as indexer,
        ):
            tag_run(indexer)
            _audit(indexer, summary, given)
            report_status("status", indexer.target.engine, indexer.node.client)
        if given.metrics_file is not None:
            write_metrics(given.metrics_file, summary)
    finally:
        conclude("audit", summary, f"audit {summary.requested or 'nothing'}")
        report_findings("audit-findings", summary)
    return final_state(summary)


def _audit(indexer: Indexer, summary: AuditSummary, given: Audit) -> None:
    """Look at the stream, repair it and look again."""
    engine, stream = indexer.target.engine, indexer.target.stream
    indexer.patience.waits_for = lambda: f"the audit of {stream.name}, in the database"
    coverage, available = indexer.coverage(), indexer.available()
    requested = requested_range(given.start_ledger, given.end_ledger, available, coverage)
    summary.stream, summary.requested = stream.name, requested
    summary.promised_from = promised_from(given.start_ledger, coverage)
    name_run(f"audit {requested}")

    comparable = clip(clip(coverage.in_tables, requested), window_of(indexer))
    summary.comparable = count_ledgers(comparable)
    summary.dropped = clip(coverage.dropped, requested)
    summary.files = _check_files(indexer, requested, given)
    sampled = choose_sample(comparable, given.sample)
    summary.found = _look(indexer, summary, _compare(indexer, sampled))
    if given.repair and not summary.found.whole:
        _repair_and_look(indexer, summary, requested, summary.found, given.lake)

    coverage = indexer.coverage()
    covered = clip(coverage.in_tables, requested)
    summary.recognition = recognize(
        engine, stream, indexer.node.event_filter, covered, indexer.patience.progressed
    )
    summary.finish(coverage)


def _repair_and_look(
    indexer: Indexer,
    summary: AuditSummary,
    requested: LedgerRange,
    look: Look,
    lake: str | None,
) -> None:
    """Repair what a look found, and look again.

    Where a row of state hid which ledger changed its entry last, that can be any other ledger:
    all are compared again, and what that finds is repaired as well.
    """
    for _ in range(MAX_REPAIRS):
        with summary.working():
            failures = repair_found(indexer, summary, look, lake)
        window, was_hidden = window_of(indexer), look.hiding
        kept = tuple(one for one in look.compared.differences if one.ledger < window.first)
        again = clip(indexer.coverage().in_tables, requested) if was_hidden else look.doubtful
        compared = Compared(0, kept, tuple(failures)).add(_compare(indexer, clip(again, window)))
        look = summary.left = _look(indexer, summary, compared)
        if not (was_hidden and look.differing):
            return


def _look(indexer: Indexer, summary: AuditSummary, compared: Compared) -> Look:
    """Look at the stream, and log what is wrong."""
    engine, stream, requested = indexer.target.engine, summary.stream, summary.requested
    assert requested is not None
    window, progressed = window_of(indexer), indexer.patience.progressed
    look = look_at(
        engine,
        stream,
        requested,
        window,
        compared,
        summary.anchor,
        progressed,
        summary.promised_from,
        summary.files,
    )
    for line in look.lines(MAX_LOGGED_FINDINGS):
        get_run_logger().warning(line)
    return look


def _check_files(indexer: Indexer, requested: LedgerRange, given: Audit) -> CheckedFiles:
    """Check the files of the archive, in buckets with the credentials of the lake's block."""
    patient, lake = indexer.patience, given.lake
    options: dict[str, str] = {}
    if lake is not None:
        options = patient.retry(PREFECT, lambda: load_block(DataLake, lake)).options()
    with indexer.target.engine.begin() as connection:
        files = read_archives(connection, requested)
    through = given.sample == "all"
    return check_files(files, options, through=through, on_file=patient.progressed)


def _compare(indexer: Indexer, ledgers: Sequence[LedgerRange]) -> Compared:
    """Compare ledgers with the node, each chunk in a task; and find rows of no ledger yet."""
    compared = Compared()
    progress = Progress("audit-progress", count_ledgers(ledgers), "comparing")
    chunks = split(ledgers, CHUNK_LEDGERS)
    source, engine = indexer.node, indexer.target.engine
    for some in (chunks[n : n + MAX_TASKS] for n in range(0, len(chunks), MAX_TASKS)):
        claims = indexer.claims(some)
        shared = {"source": source, "claims": claims, "engine": engine}
        tasks = [indexer.runner.submit(compare_ledgers, {"ledgers": one} | shared) for one in some]
        for chunk, task in zip(some, tasks, strict=True):
            try:
                compared = compared.add(task.result())
                indexer.patience.progressed()
                progress.show(compared.ledgers, "compared with the node")
            except SorobanflowError as error:
                compared = compared.add(Compared(failures=(Failure(chunk, str(error)),)))
    progress.close(compared.ledgers)
    if source.event_filter is None:
        find = partial(find_future_rows, engine, window_of(indexer).last)
        compared = compared.add(indexer.patience.retry(DATABASE, find))
    return compared._replace(differences=tuple(sorted(compared.differences)))


if __name__ == "__main__":
    sys.exit(run_flow(audit, sys.argv[1:]))
