"""Audit: does the database hold what a stream promises, and does it agree with the node?

Looks, repairs if asked, and looks again, with the parts of `sorobanflow.audit`.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.documents import DEFAULT_NAME
from flows.harness.indexer import Indexer, open_indexer
from flows.harness.outcome import final_state
from flows.harness.parameters import STALL_S, Ledger, StallSeconds
from flows.harness.patience import DATABASE, patience
from flows.harness.progress import Progress
from flows.harness.repair import repair_found, window_of
from flows.harness.run_page import conclude, name_run, tag_run
from flows.harness.sources import Settings
from flows.harness.terminal import run_flow
from sorobanflow.audit.agreement import Compared, Failure, find_future_rows
from sorobanflow.audit.look import Look, look_at
from sorobanflow.audit.metrics import write_metrics
from sorobanflow.audit.ranges import Sample, choose_sample, requested_range
from sorobanflow.audit.shapes import recognize
from sorobanflow.audit.summary import AuditSummary
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.ledgers import (
    LedgerRange,
    clip,
    count_ledgers,
    parse_anchor,
    split,
)
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.rpc.stats import RpcStats
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


@flow(
    name="audit", flow_run_name="audit", validate_parameters=True, persist_result=False, retries=0
)
def audit(
    start_ledger: Ledger | None = None,
    end_ledger: Ledger | None = None,
    sample: Annotated[int, Field(ge=0)] | Literal["all"] = 20,
    repair: bool = False,
    contract_ids: list[str] | None = None,
    topics: list[list[str]] | None = None,
    metrics_file: str | None = None,
    anchor: str | None = None,
    stall_s: StallSeconds = STALL_S,
    lake: str | None = None,
    rpc: str = DEFAULT_NAME,
    database: str = DEFAULT_NAME,
) -> State[RunSummary]:
    """Find what a stream lacks and where it differs from the node; repair it if asked.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`. Without `repair` it
    writes only what audits remember of event shapes. With `repair` it indexes missing
    and differing ledgers, those first that the node drops first, and for the stream of
    everything removes rows that these ledgers do not make; records as gaps what
    neither the node nor `lake` has; replays the quarantine; looks again. A second run
    finds what is still wrong; a crash half-way loses the batches in flight. The run ends as
    Incomplete (in a terminal: exit code 1) if ledgers are missing or differ at the end,
    if the chain of whole ledgers is broken, if anything failed, or if it recorded a gap
    or put items in quarantine.

    Args:
        start_ledger: First ledger to audit. Empty: the stream's first.
        end_ledger: Last ledger to audit. Empty: the newest covered, or a minute before the tip.
        sample: Covered ledgers to compare, evenly spaced over those that the node still
            has, the newest included; "all" compares each of them. Of a compared ledger,
            all rows are made again and compared.
        repair: Repair what was found.
        contract_ids: Audit the stream of these contracts. Empty: of everything.
        topics: Audit the stream of these topics, as given to the index flow.
        metrics_file: Write the figures here, for node_exporter's textfile collector.
        anchor: A ledger and its hash that you trust, as `ledger:hash`. The summary says for
            which of the ledgers that came whole it vouches. Another hash is a finding.
        stall_s: Seconds without progress after which the run fails, whatever it waits for:
            the node or the database. Progress is a chunk of ledgers that was compared, a
            batch that was committed, an item that was decoded again. Raise it if the state
            tables are so large that reading one through takes longer.
        lake: Name of a data-lake block: repair asks it for what the node no longer has,
            gaps and missing ledgers, of the stream of everything. Empty: none.
        rpc: Name of the stellar-rpc block.
        database: Name of the sorobanflow-database block.
    """
    trusted = None if anchor is None else parse_anchor(anchor)
    summary = AuditSummary(RpcStats(), anchor=trusted)
    settings = Settings(rpc, database, contract_ids, topics)
    if lake and (contract_ids or topics):
        raise ConfigurationError("a lake repairs the stream of everything only; leave one out")
    try:
        with patience(stall_s) as patient, open_indexer(settings, summary, patient) as indexer:
            tag_run(indexer)
            _audit(indexer, summary, start_ledger, end_ledger, sample, repair, lake)
            report_status("status", indexer.target.engine, indexer.node.client)
        if metrics_file is not None:
            write_metrics(Path(metrics_file), summary)
    finally:
        conclude("audit", summary, f"audit {summary.requested or 'nothing'}")
        report_findings("audit-findings", summary)
    return final_state(summary)


def _audit(
    indexer: Indexer,
    summary: AuditSummary,
    start: int | None,
    end: int | None,
    sample: Sample,
    repair: bool,
    lake: str | None,
) -> None:
    """Look at the stream, repair it and look again."""
    engine, stream = indexer.target.engine, indexer.target.stream
    indexer.patience.waits_for = lambda: f"the audit of {stream.name}, in the database"
    coverage, available = indexer.coverage(), indexer.available()
    requested = requested_range(start, end, available, coverage)
    summary.stream, summary.requested = stream.name, requested
    name_run(f"audit {requested}")

    comparable = clip(clip(coverage.covered, requested), window_of(indexer))
    summary.comparable = count_ledgers(comparable)
    sampled = choose_sample(comparable, sample)
    summary.found = _look(indexer, summary, _compare(indexer, sampled))
    if repair and not summary.found.whole:
        _repair_and_look(indexer, summary, requested, summary.found, lake)

    coverage = indexer.coverage()
    covered = clip(coverage.covered, requested)
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
        again = clip(indexer.coverage().covered, requested) if was_hidden else look.doubtful
        compared = Compared(0, kept, tuple(failures)).add(_compare(indexer, clip(again, window)))
        look = summary.left = _look(indexer, summary, compared)
        if not (was_hidden and look.differing):
            return


def _look(indexer: Indexer, summary: AuditSummary, compared: Compared) -> Look:
    """Look at the stream, and log what is wrong."""
    engine, stream, requested = indexer.target.engine, summary.stream, summary.requested
    assert requested is not None
    window, progressed = window_of(indexer), indexer.patience.progressed
    look = look_at(engine, stream, requested, window, compared, summary.anchor, progressed)
    for line in look.lines(MAX_LOGGED_FINDINGS):
        get_run_logger().warning(line)
    return look


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
