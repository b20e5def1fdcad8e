"""The figures of an audit as Prometheus metrics, in a file.

An audit is a run of minutes, once a day: nobody could scrape it. So it leaves
its figures where node_exporter's textfile collector reads them.
"""

import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from sorobanflow.audit.summary import AuditSummary
from sorobanflow.metrics.catalogue import AUDITED


def write_metrics(path: Path, summary: AuditSummary) -> None:
    """Write the figures of a finished audit; replaces the file as a whole.

    The retention clock has no value where nothing is missing, and none where
    the pace of the network is not known.

    Raises:
        OSError: the file cannot be written.
    """
    look = summary.left or summary.found
    assert look is not None
    registry = CollectorRegistry()
    gauges = {
        spec.name.removeprefix("audit_"): Gauge(
            spec.full_name, spec.meaning, spec.labels, registry=registry
        )
        for spec in AUDITED
    }
    figures = {
        "missing_ledgers": sum(part.size for part in look.missing),
        "gap_ledgers": sum(part.size for part in look.gaps),
        "differing_ledgers": len({one.ledger for one in look.differences}),
        "quarantined_items": sum(one.items for one in look.quarantine),
        "healthy": summary.healthy,
        "retention_seconds_left": look.clock.seconds_left,
        "finished_timestamp_seconds": time.time(),
    }
    for name, value in figures.items():
        if value is not None:
            gauges[name].labels(summary.stream).set(value)
    write_to_textfile(str(path), registry)
