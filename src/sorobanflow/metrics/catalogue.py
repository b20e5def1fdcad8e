"""Every metric by name, in base units: the definition that `docs/metrics.md` is checked against.

A label never holds an address.
"""

from typing import Literal, NamedTuple

PREFIX = "sorobanflow_"

#: How a gauge combines the values of concurrent processes: their sum, the largest, or the last
#: one set; with `live`, of running processes only.
Mode = Literal["livesum", "livemax", "mostrecent"]


class Spec(NamedTuple):
    """A metric."""

    name: str  # without `PREFIX`; a counter's ends in `_total`
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    unit: str
    meaning: str  # also the HELP line
    mode: Mode = "mostrecent"  # of a gauge in `COUNTED`

    @property
    def full_name(self) -> str:
        """The exported name; of a histogram without its suffix."""
        return PREFIX + self.name


#: Counted by runs while they work.
COUNTED = (
    Spec("rpc_calls_total", "counter", ("method", "outcome"), "HTTP calls",
         "Calls to the node that ended; outcome is ok or the class of the error"),
    Spec("rpc_call_seconds", "histogram", ("method",), "seconds",
         "Duration of a call to the node, from sending it until the answer is parsed"),
    Spec("rpc_answer_bytes_total", "counter", ("method",), "bytes",
         "Size of the node's answers after decompression"),
    Spec("rpc_retries_total", "counter", ("method", "error"), "attempts",
         "Failed attempts that were followed by another"),
    Spec("rpc_retry_wait_seconds_total", "counter", ("method",), "seconds",
         "Time spent waiting between attempts"),
    Spec("rpc_breaker_state", "gauge", ("method",), "state",
         "Circuit breaker: 0 closed, 1 half open, 2 open; worst of running processes", "livemax"),
    Spec("rpc_breaker_transitions_total", "counter", ("method", "to"), "changes",
         "Changes of a circuit breaker to the state in the label"),
    Spec("rpc_concurrency_limit", "gauge", (), "calls",
         "Concurrent calls to the node that are allowed now; sum of running processes", "livesum"),
    Spec("rpc_concurrency_cuts_total", "counter", ("reason",), "cuts",
         "Times that the concurrency was halved: rate (a rate limit), timeout, latency"),
    Spec("batch_step_seconds", "histogram", ("step",), "seconds",
         "Duration of a batch's step: fetch (with the wait for a free call), decode, write"),
    Spec("batches_written_total", "counter", ("stream",), "batches", "Batches committed"),
    Spec("batches_failed_total", "counter", ("error",), "batches",
         "Batches whose failure ended the work on a range; error is the class"),
    Spec("ledgers_written_total", "counter", ("stream",), "ledgers",
         "Ledgers committed, including those indexed again"),
    Spec("rows_written_total", "counter", ("table",), "rows",
         "Rows committed, including those that were already stored"),
    Spec("batch_xdr_bytes_total", "counter", (), "bytes",
         "XDR of committed events and transactions, as base64 text"),
    Spec("last_commit_timestamp_seconds", "gauge", ("stream",), "Unix time",
         "Time of the last committed batch"),
    Spec("gap_ledgers_recorded_total", "counter", ("stream",), "ledgers",
         "Ledgers recorded as a gap because the node no longer had them"),
    Spec("pool_connections", "gauge", ("state",), "connections",
         "Open database connections, by state in_use or idle; sum of running processes", "livesum"),
    Spec("pool_connections_max", "gauge", (), "connections",
         "Database connections allowed; sum of running processes", "livesum"),
    Spec("pool_waits_total", "counter", (), "waits",
         "Requests for a connection while all of the pool were in use"),
    Spec("pool_wait_seconds_total", "counter", (), "seconds", "Time that those requests waited"),
    Spec("pool_closed_total", "counter", ("reason",), "connections",
         "Connections closed by the pool: max_idle (enough were idle), idle_time, lifetime"),
)  # fmt: skip

#: Read by the server from the database and the node, whether or not a run works.
READ = (
    Spec("up", "gauge", ("what",), "0 or 1",
         "1 if it answered within the last minute; what is database or node"),
    Spec("status_timestamp_seconds", "gauge", (), "Unix time",
         "Time of the last reading of node and database"),
    Spec("status_problems", "gauge", ("kind",), "problems",
         "Problems that `sorobanflow.status` finds, by kind; no value if there is none"),
    Spec("node_oldest_ledger", "gauge", (), "ledger", "Oldest ledger of the node"),
    Spec("node_latest_ledger", "gauge", (), "ledger", "Newest ledger of the node, the tip"),
    Spec("covered_end_ledger", "gauge", ("stream",), "ledger", "Newest ledger stored"),
    Spec("covered_ledgers", "gauge", ("stream",), "ledgers", "Ledgers stored whole"),
    Spec("advanced_timestamp_seconds", "gauge", ("stream",), "Unix time",
         "Time when the newest ledger was stored"),
    Spec("lag_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers between the newest one stored and the tip"),
    Spec("lag_seconds", "gauge", ("stream",), "seconds",
         "Time between the close of the newest ledger stored and that of the tip"),
    Spec("hole_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers below the newest one stored that are still to be indexed"),
    Spec("lost_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers to be indexed that the node no longer has; the next run records a gap"),
    Spec("gap_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers recorded as a gap and not filled since"),
    Spec("quarantined_items", "gauge", ("kind",), "items",
         "Items in quarantine, which could not be decoded; counted up to 10,001"),
    Spec("retention_seconds_left", "gauge", ("stream",), "seconds",
         "Retention clock: time until the node drops the oldest ledger still to be indexed; no "
         "value if there is none"),
    Spec("table_rows", "gauge", ("table",), "rows", "Rows of a table, estimated by the server"),
    Spec("database_size_bytes", "gauge", (), "bytes", "Size of the database on disk"),
)  # fmt: skip

#: Written by an audit to the file that its parameter `metrics_file` names.
AUDITED = (
    Spec("audit_missing_ledgers", "gauge", ("stream",), "ledgers", "Ledgers not stored"),
    Spec("audit_gap_ledgers", "gauge", ("stream",), "ledgers", "Ledgers recorded as a gap"),
    Spec("audit_differing_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers whose rows differ from the node's"),
    Spec("audit_quarantined_items", "gauge", ("stream",), "items",
         "Items in quarantine, which could not be decoded"),
    Spec("audit_healthy", "gauge", ("stream",), "0 or 1",
         "1 if nothing is missing, differs, is in quarantine or breaks the chain"),
    Spec("audit_retention_seconds_left", "gauge", ("stream",), "seconds",
         "Time until the node drops a ledger that is still missing; no value if none is"),
    Spec("audit_finished_timestamp_seconds", "gauge", ("stream",), "Unix time",
         "Time when the audit ended"),
)  # fmt: skip
