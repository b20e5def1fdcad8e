"""The status as metrics, whether or not a run works, so a stall or a dead worker is visible.

Invariant: what is not known has no value.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from sorobanflow.metrics.catalogue import READ
from sorobanflow.status.model import Database, Status, Stream

#: Name of a metric of `READ`, its value (None: not known), and its label if it has one.
Sample = tuple[str, float | None, *tuple[str, ...]]


def status_metrics(status: Status | None) -> Iterable[Metric]:
    """Give a status as metrics; None: neither node nor database answers."""
    families = {
        spec.name: GaugeMetricFamily(spec.full_name, spec.meaning, labels=spec.labels)
        for spec in READ
    }
    for name, value, *labels in _samples(status):
        if value is not None:
            families[name].add_metric(labels, value)
    return [family for family in families.values() if family.samples]


def _samples(status: Status | None) -> Iterator[Sample]:
    node, database = (status.node, status.database) if status else (None, None)
    yield "up", float(node is not None), "node"
    yield "up", float(database is not None), "database"
    if status:
        yield "status_timestamp_seconds", status.read_at.timestamp()
        for kind, problems in Counter(one.kind for one in status.problems).items():
            yield "status_problems", problems, kind
    if node:
        yield "node_oldest_ledger", node.oldest_ledger
        yield "node_latest_ledger", node.latest_ledger
    if database:
        yield from _of_database(database)


def _of_database(database: Database) -> Iterator[Sample]:
    yield "database_size_bytes", database.size_bytes
    for table, rows in database.rows.items():
        yield "table_rows", rows, table
    items = Counter({"event": 0, "transaction": 0, "token_operation": 0})
    for one in database.quarantine.counts:
        items[one.kind] += one.items
    for kind, number in items.items():
        yield "quarantined_items", number, kind
    for stream in database.streams:
        yield from ((name, value, stream.name) for name, value in _of_stream(stream).items())


def _of_stream(stream: Stream) -> dict[str, float | None]:
    advanced_at = stream.advanced_at
    return {
        "covered_end_ledger": stream.covered_end,
        "covered_ledgers": stream.covered.ledgers,
        "advanced_timestamp_seconds": advanced_at.timestamp() if advanced_at else None,
        "lag_ledgers": stream.lag_ledgers,
        "lag_seconds": stream.lag_s,
        "hole_ledgers": stream.holes.ledgers,
        "lost_ledgers": stream.lost.ledgers,
        "gap_ledgers": stream.gaps.ledgers,
        "retention_seconds_left": stream.retention_left_s,
    }
