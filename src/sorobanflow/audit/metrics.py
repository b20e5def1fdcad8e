"""Write an audit's figures to a file for node_exporter: an audit is too short to be scraped."""

import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from sorobanflow.audit.summary import AuditSummary
from sorobanflow.ledgers import count_ledgers
from sorobanflow.metrics.catalogue import AUDITED


def write_metrics(path: Path, summary: AuditSummary) -> None:
    """Write the figures of a finished audit, as far as they are known; replaces the file."""
    look = summary.last
    assert look is not None
    registry = CollectorRegistry()
    gauges = {
        spec.name.removeprefix("audit_"): Gauge(
            spec.full_name, spec.meaning, spec.labels, registry=registry
        )
        for spec in AUDITED
    }
    figures = {
        "missing_ledgers": count_ledgers(look.missing),
        "gap_ledgers": count_ledgers(look.gaps),
        "differing_ledgers": count_ledgers(look.differing),
        "quarantined_items": sum(one.items for one in look.quarantine),
        "healthy": summary.healthy,
        "retention_seconds_left": look.clock.seconds_left,
        "finished_timestamp_seconds": time.time(),
    }
    for name, value in figures.items():
        if value is not None:
            gauges[name].labels(summary.stream).set(value)
    write_to_textfile(str(path), registry)
