"""The metrics sink, the state as metrics, and several hooks made one."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from sorobanflow.ledgers import LedgerRange
from sorobanflow.metrics.catalogue import COUNTED, READ
from sorobanflow.metrics.sink import Metrics
from sorobanflow.metrics.state import status_metrics
from sorobanflow.records import (
    BatchFailed,
    BatchWritten,
    BreakerChanged,
    CallFinished,
    ConcurrencyChanged,
    GapRecorded,
    PoolSampled,
    PoolStats,
    Record,
    Retrying,
    StepDone,
    join_hooks,
    report,
)
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.status.model import (
    Database,
    Node,
    Problem,
    Quarantine,
    QuarantineCount,
    Ranges,
    Status,
    Stream,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: Names of what is exported beside a histogram's own name.
HISTOGRAM = ("_bucket", "_sum", "_count", "_created")


def _pool(waits: int, wait_s: float, closed: int) -> PoolStats:
    return PoolStats(20, 7, 3, 4, waits, wait_s, closed, 2 * closed, 3 * closed)


RECORDS: list[Record] = [
    CallFinished("getEvents", 0.2, 1000, None),
    CallFinished("getEvents", 3.0, 0, "RpcTimeoutError"),
    Retrying("getEvents", 0.5, "RpcTimeoutError"),
    BreakerChanged("getEvents", "open"),
    ConcurrencyChanged(5, 10, "rate"),
    StepDone("fetch", 0.3),
    StepDone("decode", 0.2),
    StepDone("write", 0.1),
    BatchWritten("all", LedgerRange(10, 19), {"events": 30, "transactions": 12}, 5000),
    BatchFailed("RpcUnavailableError"),
    GapRecorded("all", LedgerRange(1, 4)),
    PoolSampled(_pool(2, 0.5, 1), None),
    PoolSampled(_pool(3, 0.75, 1), _pool(2, 0.5, 1)),
]


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where a sink has counted one of each record."""
    registry = CollectorRegistry()
    sink = Metrics(registry)
    for record in RECORDS:
        sink(record)
    return registry


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("rpc_calls_total", {"method": "getEvents", "outcome": "ok"}, 1),
        ("rpc_calls_total", {"method": "getEvents", "outcome": "RpcTimeoutError"}, 1),
        ("rpc_calls_total", {"method": "getHealth", "outcome": "ok"}, 0),
        ("rpc_call_seconds_sum", {"method": "getEvents"}, 3.2),
        ("rpc_call_seconds_bucket", {"method": "getEvents", "le": "0.25"}, 1),
        ("rpc_answer_bytes_total", {"method": "getEvents"}, 1000),
        ("rpc_retries_total", {"method": "getEvents", "error": "RpcTimeoutError"}, 1),
        ("rpc_retry_wait_seconds_total", {"method": "getEvents"}, 0.5),
        ("rpc_breaker_state", {"method": "getEvents"}, 2),
        ("rpc_breaker_state", {"method": "getTransactions"}, 0),
        ("rpc_breaker_transitions_total", {"method": "getEvents", "to": "open"}, 1),
        ("rpc_breaker_transitions_total", {"method": "getEvents", "to": "closed"}, 0),
        ("rpc_concurrency_limit", {}, 5),
        ("rpc_concurrency_cuts_total", {"reason": "rate"}, 1),
        ("rpc_concurrency_cuts_total", {"reason": "timeout"}, 0),
        ("batch_step_seconds_sum", {"step": "fetch"}, 0.3),
        ("batch_step_seconds_sum", {"step": "decode"}, 0.2),
        ("batch_step_seconds_count", {"step": "write"}, 1),
        ("batches_written_total", {"stream": "all"}, 1),
        ("ledgers_written_total", {"stream": "all"}, 10),
        ("rows_written_total", {"table": "transactions"}, 12),
        ("batch_xdr_bytes_total", {}, 5000),
        ("batches_failed_total", {"error": "RpcUnavailableError"}, 1),
        ("gap_ledgers_recorded_total", {"stream": "all"}, 4),
        ("pool_connections", {"state": "in_use"}, 3),
        ("pool_connections", {"state": "idle"}, 4),
        ("pool_connections_max", {}, 20),
        ("pool_waits_total", {}, 3),
        ("pool_wait_seconds_total", {}, 0.75),
        ("pool_closed_total", {"reason": "max_idle"}, 1),
        ("pool_closed_total", {"reason": "idle_time"}, 2),
        ("pool_closed_total", {"reason": "lifetime"}, 3),
    ],
)
def test_metrics_count(
    registry: CollectorRegistry, name: str, labels: dict[str, str], value: float
) -> None:
    assert registry.get_sample_value(f"sorobanflow_{name}", labels) == pytest.approx(value)


def test_metrics_time_of_the_last_commit_is_now(registry: CollectorRegistry) -> None:
    labels = {"stream": "all"}
    at = registry.get_sample_value("sorobanflow_last_commit_timestamp_seconds", labels)
    assert at == pytest.approx(datetime.now(UTC).timestamp(), abs=60)


def test_metrics_every_counted_one_has_a_value_of_its_type(registry: CollectorRegistry) -> None:
    exported = {
        (family.name + "_total" * (family.type == "counter"), family.type)
        for family in registry.collect()
        if family.samples
    }
    assert exported == {(spec.full_name, spec.kind) for spec in COUNTED}


def test_metrics_labels_are_those_of_the_catalogue(registry: CollectorRegistry) -> None:
    labels = {spec.full_name.removesuffix("_total"): set(spec.labels) for spec in COUNTED}
    for family in registry.collect():
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels[family.name], sample.name


def test_fan_out_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    def fail(record: Record) -> None:
        raise ValueError("planted")

    stats = RpcStats()
    report(join_hooks(None, fail, stats), CallFinished("getHealth", 0.1, 7, None))
    assert stats.size_bytes == 7
    assert "the hook failed on CallFinished" in caplog.text


def test_rpc_stats_passes_over_records_of_batches() -> None:
    stats = RpcStats()
    for record in RECORDS:
        stats(record)
    assert (stats.calls, stats.retries, stats.trips) == (2, 1, 1)


STREAM = Stream(
    "all",
    None,
    1,
    Ranges(2, 90),
    100,
    advanced_at=NOON - timedelta(seconds=20),
    lag_ledgers=4,
    lag_s=21.5,
    holes=Ranges(1, 3),
    lost=Ranges(1, 2),
    gaps=Ranges(2, 5),
    retention_left_s=86_400.0,
)
STATUS = Status(
    NOON,
    "0003",
    "http://127.0.0.1:8000",
    Node("Network", network=None, oldest_ledger=7, latest_ledger=104, latest_closed_at=NOON),
    Database(
        size_bytes=4096,
        rows={"events": 1234, "transactions": None},
        streams=(STREAM, Stream("filter-0a", covered=Ranges(1, 8), covered_end=50)),
        quarantine=Quarantine(
            (QuarantineCount("event", "all", 2, NOON), QuarantineCount("event", None, 1, NOON))
        ),
    ),
    problems=(Problem("gap", "one", "all"), Problem("gap", "other"), Problem("holes", "three")),
)


def _values(status: Status | None) -> dict[tuple[str, ...], float]:
    """Values by name without prefix, and labels."""
    return {
        (sample.name.removeprefix("sorobanflow_"), *sample.labels.values()): sample.value
        for family in status_metrics(status)
        for sample in family.samples
    }


def test_state_gives_what_the_status_says() -> None:
    assert _values(STATUS) == {
        ("up", "node"): 1,
        ("up", "database"): 1,
        ("status_timestamp_seconds",): 1_772_366_400,
        ("status_problems", "gap"): 2,
        ("status_problems", "holes"): 1,
        ("node_oldest_ledger",): 7,
        ("node_latest_ledger",): 104,
        ("covered_end_ledger", "all"): 100,
        ("covered_ledgers", "all"): 90,
        ("advanced_timestamp_seconds", "all"): 1_772_366_380,
        ("lag_ledgers", "all"): 4,
        ("lag_seconds", "all"): 21.5,
        ("hole_ledgers", "all"): 3,
        ("lost_ledgers", "all"): 2,
        ("gap_ledgers", "all"): 5,
        ("retention_seconds_left", "all"): 86_400,
        ("covered_end_ledger", "filter-0a"): 50,
        ("covered_ledgers", "filter-0a"): 8,
        ("hole_ledgers", "filter-0a"): 0,
        ("lost_ledgers", "filter-0a"): 0,
        ("gap_ledgers", "filter-0a"): 0,
        ("quarantined_items", "event"): 3,
        ("quarantined_items", "transaction"): 0,
        ("quarantined_items", "token_operation"): 0,
        ("table_rows", "events"): 1234,
        ("database_size_bytes",): 4096,
    }


def test_state_every_metric_read_has_a_value_with_its_labels() -> None:
    labels = {
        family.name: {tuple(sample.labels) for sample in family.samples}
        for family in status_metrics(STATUS)
    }
    assert labels == {spec.full_name: {spec.labels} for spec in READ}


def test_state_without_a_status_says_that_nobody_answers() -> None:
    assert _values(None) == {("up", "node"): 0, ("up", "database"): 0}
