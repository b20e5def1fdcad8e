"""Count records as Prometheus metrics, in this process or in files that outlast it (`slots`)."""

from collections.abc import Mapping
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sorobanflow import records
from sorobanflow.metrics.catalogue import COUNTED, Spec
from sorobanflow.sources.rpc.calls import METHODS

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BREAKER_STATES: Mapping[records.BreakerState, int] = {"closed": 0, "half_open": 1, "open": 2}


class Metrics:
    """A hook that counts, from any thread; a registry takes one of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._metrics = {spec.name: _make(spec, registry) for spec in COUNTED}
        self._start_at_zero()

    def __call__(self, record: records.Record) -> None:
        """Count a record."""
        match record:
            case records.CallFinished():
                self._of("rpc_calls_total", record.method, record.error or "ok").inc()
                self._of("rpc_call_seconds", record.method).observe(record.seconds)
                self._of("rpc_answer_bytes_total", record.method).inc(record.size_bytes)
            case records.Retrying():
                self._of("rpc_retries_total", record.method, record.error).inc()
                self._of("rpc_retry_wait_seconds_total", record.method).inc(record.wait_s)
            case records.BreakerChanged():
                self._of("rpc_breaker_state", record.method).set(BREAKER_STATES[record.new])
                self._of("rpc_breaker_transitions_total", record.method, record.new).inc()
            case records.ConcurrencyChanged():
                self._of("rpc_concurrency_limit").set(record.limit)
                if record.strain:
                    self._of("rpc_concurrency_cuts_total", record.strain).inc()
            case records.StepDone():
                self._of("batch_step_seconds", record.step).observe(record.seconds)
            case records.BatchWritten():
                self._count_batch(record)
            case records.BatchFailed():
                self._of("batches_failed_total", record.error).inc()
            case records.GapRecorded():
                self._of("gap_ledgers_recorded_total", record.stream).inc(record.ledgers.size)
            case records.PoolSampled():
                self._count_pool(record.now, record.before)

    def _count_batch(self, record: records.BatchWritten) -> None:
        self._of("batches_written_total", record.stream).inc()
        self._of("ledgers_written_total", record.stream).inc(record.ledgers.size)
        for table, count in record.rows.items():
            self._of("rows_written_total", table).inc(count)
        self._of("batch_xdr_bytes_total").inc(record.size_bytes)
        self._of("last_commit_timestamp_seconds", record.stream).set_to_current_time()

    def _count_pool(self, now: records.PoolStats, before: records.PoolStats | None) -> None:
        self._of("pool_connections", "in_use").set(now.in_use)
        self._of("pool_connections", "idle").set(now.idle)
        self._of("pool_connections_max").set(now.max_open)
        counted = _pool_counters(before) if before else {}
        for counter, value in _pool_counters(now).items():
            self._of(*counter).inc(value - counted.get(counter, 0))

    def _start_at_zero(self) -> None:
        """Create the series whose labels are known: a rate misses a counter's first value."""
        for method in METHODS:
            self._of("rpc_calls_total", method, "ok")
            self._of("rpc_retry_wait_seconds_total", method)
            self._of("rpc_breaker_state", method).set(BREAKER_STATES["closed"])
            for state in BREAKER_STATES:
                self._of("rpc_breaker_transitions_total", method, state)
        for strain in get_args(records.Strain):
            self._of("rpc_concurrency_cuts_total", strain)

    def _of(self, name: str, *labels: str) -> Any:  # noqa: ANN401 - the metric's own type
        metric = self._metrics[name]
        return metric.labels(*labels) if labels else metric


def _make(spec: Spec, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    what = spec.full_name, spec.meaning, spec.labels
    if spec.kind == "gauge":
        return Gauge(*what, registry=registry, multiprocess_mode=spec.mode)
    if spec.kind == "histogram":
        return Histogram(*what, registry=registry, buckets=BUCKETS)
    return Counter(*what, registry=registry)


def _pool_counters(stats: records.PoolStats) -> dict[tuple[str, ...], float]:
    return {
        ("pool_waits_total",): stats.wait_count,
        ("pool_wait_seconds_total",): stats.wait_s,
        ("pool_closed_total", "max_idle"): stats.closed_max_idle,
        ("pool_closed_total", "idle_time"): stats.closed_idle_time,
        ("pool_closed_total", "lifetime"): stats.closed_lifetime,
    }
