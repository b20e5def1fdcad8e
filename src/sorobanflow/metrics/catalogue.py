"""Every metric by name: type, labels, unit and meaning.

The only place where names are defined: the sink counts what is in `COUNTED`, the
server reads what is in `READ`, an audit writes what is in `AUDITED` to a file, and
`docs/metrics.md` is checked against all three.
Units are base units; a label never holds an address.
"""

from typing import Literal, NamedTuple

PREFIX = "sorobanflow_"

Kind = Literal["counter", "gauge", "histogram"]
#: Of the processes that count side by side: the sum, the largest, or what was set last. With
#: `live` only of those that run still.
Mode = Literal["livesum", "livemax", "mostrecent"]


class Spec(NamedTuple):
    """A metric.

    Attributes:
        name: Without `PREFIX`; a counter's ends in `_total`.
        kind: Its type.
        labels: Names of its labels.
        unit: What a value counts.
        meaning: For a person; also the HELP line.
        mode: Of a counted gauge: how processes are put together.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    meaning: str
    mode: Mode = "mostrecent"

    @property
    def full_name(self) -> str:
        """The name that is exported, for a histogram without its suffix."""
        return PREFIX + self.name


#: Counted by runs while they work.
COUNTED = (
    Spec("rpc_calls_total", "counter", ("method", "outcome"), "HTTP calls",
         "Calls to the node that ended; outcome is ok or the class of the error"),
    Spec("rpc_call_seconds", "histogram", ("method",), "seconds",
         "Time of one call to the node, from sending it to the answer's last byte, parsed"),
    Spec("rpc_answer_bytes_total", "counter", ("method",), "bytes",
         "Bytes of the node's answers, after decompression"),
    Spec("rpc_retries_total", "counter", ("method", "error"), "attempts",
         "Attempts that failed and were followed by another"),
    Spec("rpc_retry_wait_seconds_total", "counter", ("method",), "seconds",
         "Time waited between attempts"),
    Spec("rpc_breaker_state", "gauge", ("method",), "state",
         "Circuit breaker: 0 closed, 1 half open, 2 open; of running processes, the worst",
         "livemax"),
    Spec("rpc_breaker_transitions_total", "counter", ("method", "to"), "changes",
         "Changes of a circuit breaker to the state in the label"),
    Spec("rpc_concurrency_limit", "gauge", (), "calls",
         "Calls to the node that go at once, as adapted to the node; sum of running processes",
         "livesum"),
    Spec("rpc_concurrency_cuts_total", "counter", ("reason",), "cuts",
         "Times that the calls at once were halved: rate (HTTP 429), timeout, latency"),
    Spec("batch_step_seconds", "histogram", ("step",), "seconds",
         "Time of a batch's step: fetch (waiting for a place included), decode, write"),
    Spec("batches_written_total", "counter", ("stream",), "batches",
         "Batches committed"),
    Spec("batches_failed_total", "counter", ("error",), "batches",
         "Batches that ended a run's work on a range; error is the class"),
    Spec("ledgers_written_total", "counter", ("stream",), "ledgers",
         "Ledgers committed, also those indexed again"),
    Spec("rows_written_total", "counter", ("table",), "rows",
         "Rows handed to the database and committed, those that were there already included"),
    Spec("batch_xdr_bytes_total", "counter", (), "bytes",
         "XDR of committed events and transactions, as text in the form that the node sent"),
    Spec("last_commit_timestamp_seconds", "gauge", ("stream",), "Unix time",
         "When a run last committed a batch"),
    Spec("gap_ledgers_recorded_total", "counter", ("stream",), "ledgers",
         "Ledgers recorded as a gap: the node no longer had them"),
    Spec("pool_connections", "gauge", ("state",), "connections",
         "Database connections open, by state in_use or idle; sum of running processes", "livesum"),
    Spec("pool_connections_max", "gauge", (), "connections",
         "Database connections that the running processes may open, together", "livesum"),
    Spec("pool_waits_total", "counter", (), "waits",
         "Callers that found all connections of their pool in use"),
    Spec("pool_wait_seconds_total", "counter", (), "seconds",
         "Time that those callers waited"),
    Spec("pool_closed_total", "counter", ("reason",), "connections",
         "Connections closed by the pool: max_idle (enough were idle), idle_time, lifetime"),
)  # fmt: skip

#: Read by the server, from the database and the node, whether or not a run works.
READ = (
    Spec("up", "gauge", ("what",), "0 or 1",
         "1 where it answered within the last minute; what is database or node"),
    Spec("status_timestamp_seconds", "gauge", (), "Unix time",
         "When node and database were last asked"),
    Spec("status_problems", "gauge", ("kind",), "problems",
         "What `sorobanflow.status` finds wrong, by kind; no value where nothing is"),
    Spec("node_oldest_ledger", "gauge", (), "ledger", "The node's oldest ledger"),
    Spec("node_latest_ledger", "gauge", (), "ledger", "The node's newest ledger, the tip"),
    Spec("covered_end_ledger", "gauge", ("stream",), "ledger", "The newest ledger that is stored"),
    Spec("covered_ledgers", "gauge", ("stream",), "ledgers", "Ledgers that are stored whole"),
    Spec("advanced_timestamp_seconds", "gauge", ("stream",), "Unix time",
         "When the newest ledger was stored"),
    Spec("lag_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers from the newest one that is stored to the tip"),
    Spec("lag_seconds", "gauge", ("stream",), "seconds",
         "Time between the close of the newest ledger that is stored and that of the tip"),
    Spec("hole_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers below the newest one that is stored which are to be indexed still"),
    Spec("lost_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers to be indexed that the node no longer has; the next run records a gap"),
    Spec("gap_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers recorded as a gap and not filled since"),
    Spec("quarantined_items", "gauge", ("kind",), "items",
         "Items in quarantine: they could not be decoded; counted up to 10,001"),
    Spec("retention_seconds_left", "gauge", ("stream",), "seconds",
         "Retention clock: time until the node drops the oldest ledger that is to be indexed "
         "still; no value where there is none"),
    Spec("table_rows", "gauge", ("table",), "rows", "Rows of a table, as the server estimates"),
    Spec("database_size_bytes", "gauge", (), "bytes", "The database on disk"),
)  # fmt: skip

#: Written by an audit to the file that its parameter `metrics_file` names.
AUDITED = (
    Spec("audit_missing_ledgers", "gauge", ("stream",), "ledgers", "Ledgers not stored"),
    Spec("audit_gap_ledgers", "gauge", ("stream",), "ledgers", "Ledgers recorded as a gap"),
    Spec("audit_differing_ledgers", "gauge", ("stream",), "ledgers",
         "Ledgers whose rows are not the node's"),
    Spec("audit_quarantined_items", "gauge", ("stream",), "items", "Items that cannot be decoded"),
    Spec("audit_healthy", "gauge", ("stream",), "0 or 1",
         "1 where nothing is missing, differs or is in quarantine"),
    Spec("audit_retention_seconds_left", "gauge", ("stream",), "seconds",
         "Seconds until the node loses a ledger still missing; no value where none is"),
    Spec("audit_finished_timestamp_seconds", "gauge", ("stream",), "Unix time",
         "When the audit ended"),
)  # fmt: skip
