"""The figures of an audit as Prometheus metrics, in a file.

An audit is a run of minutes, once a day: nobody could scrape it. So it leaves
its figures where node_exporter's textfile collector reads them.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from sorobanflow.audit.summary import AuditSummary

PREFIX = "sorobanflow_audit"


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

    def gauge(name: str, help_text: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", help_text, ["stream"], registry=registry)

    clock = gauge("retention_seconds_left", "Seconds until the node loses a ledger still missing")
    if look.clock.seconds_left is not None:
        clock.labels(summary.stream).set(look.clock.seconds_left)
    figures = {
        "missing_ledgers": ("Ledgers not stored", sum(part.size for part in look.missing)),
        "gap_ledgers": ("Ledgers recorded as a gap", sum(part.size for part in look.gaps)),
        "differing_ledgers": (
            "Ledgers whose rows are not the node's",
            len({one.ledger for one in look.differences}),
        ),
        "quarantined_items": (
            "Items that cannot be decoded",
            sum(one.items for one in look.quarantine),
        ),
        "healthy": ("1 where nothing is missing, differs or is in quarantine", summary.healthy),
    }
    for name, (help_text, value) in figures.items():
        gauge(name, help_text).labels(summary.stream).set(value)
    gauge("finished_timestamp_seconds", "When the audit ended, Unix time").labels(
        summary.stream
    ).set_to_current_time()
    write_to_textfile(str(path), registry)
