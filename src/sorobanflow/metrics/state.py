"""The status as metrics: how node, database and streams are, whether or not a run works.

What a run counts stops with it; these go on, so a stall or a worker that died is
seen. Invariant: what is not known has no value, and only `up` says why.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from sorobanflow.metrics.catalogue import READ
from sorobanflow.status.model import Database, Status, Stream


class Sample(NamedTuple):
    """A value of a metric of `READ`; None: not known."""

    name: str
    value: float | None
    label: str | None = None


def status_metrics(status: Status | None) -> Iterable[Metric]:
    """Give a status as metrics; without one, nobody answers."""
    families = {
        spec.name: GaugeMetricFamily(spec.full_name, spec.meaning, labels=spec.labels)
        for spec in READ
    }
    for sample in _samples(status):
        if sample.value is not None:
            labels = [] if sample.label is None else [sample.label]
            families[sample.name].add_metric(labels, sample.value)
    return [family for family in families.values() if family.samples]


def _samples(status: Status | None) -> Iterator[Sample]:
    node, database = (status.node, status.database) if status else (None, None)
    yield Sample("up", float(node is not None), "node")
    yield Sample("up", float(database is not None), "database")
    if status:
        yield Sample("status_timestamp_seconds", status.read_at.timestamp())
        yield from _each("status_problems", Counter(one.kind for one in status.problems))
    if node:
        yield Sample("node_oldest_ledger", node.oldest_ledger)
        yield Sample("node_latest_ledger", node.latest_ledger)
    if database:
        yield from _of_database(database)


def _of_database(database: Database) -> Iterator[Sample]:
    yield Sample("database_size_bytes", database.size_bytes)
    for table, rows in database.rows.items():
        yield Sample("table_rows", rows, table)
    items = Counter({"event": 0, "transaction": 0, "token_operation": 0})
    for one in database.quarantine.counts:
        items[one.kind] += one.items
    yield from _each("quarantined_items", items)
    for stream in database.streams:
        yield from _of_stream(stream)


def _of_stream(stream: Stream) -> Iterator[Sample]:
    values: dict[str, float | None] = {
        "covered_end_ledger": stream.covered_end,
        "covered_ledgers": stream.covered.ledgers,
        "advanced_timestamp_seconds": _unix(stream.advanced_at),
        "lag_ledgers": stream.lag_ledgers,
        "lag_seconds": stream.lag_s,
        "hole_ledgers": stream.holes.ledgers,
        "lost_ledgers": stream.lost.ledgers,
        "gap_ledgers": stream.gaps.ledgers,
        "retention_seconds_left": stream.retention_left_s,
    }
    for name, value in values.items():
        yield Sample(name, value, stream.name)


def _each(name: str, values: Mapping[str, int]) -> Iterator[Sample]:
    return (Sample(name, value, label) for label, value in values.items())


def _unix(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
