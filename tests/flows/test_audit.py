"""The audit flow: real Prefect, a real node's answers, rows deleted by hand."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from flows.audit import audit
from flows.backfill import backfill
from flows.harness.outcome import IncompleteError
from flows.harness.terminal import run_flow
from flows.index import index
from sorobanflow.audit.summary import AuditSummary
from sorobanflow.devnet import Chain, DevnetServer, Recording, parse_faults
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.quarantine import payload_of
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.events_walk import EventsWalk
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.tables import metadata
from sorobanflow.store.upsert import upsert_batch
from tests.flows.artifacts import artifacts_of
from tests.flows.load_balancer import balanced
from tests.integration.index_all import index_all
from tests.integration.index_whole import whole_rows
from tests.ledgers import generated

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Serve = Callable[..., DevnetServer]
Blocks = dict[str, str]
LEDGERS = LedgerRange(1, 40)
SOURCE = generated(transactions_per_ledger=3)
#: Of the audits themselves; the rest of the database is what they are to restore.
MEMORY = {"audited", "event_shapes"}


@pytest.fixture
def chain() -> Chain:
    return Chain(SOURCE, closed=LEDGERS.last, retention=LEDGERS.last)


@pytest.fixture
def template(indexed: Callable[..., str]) -> str:
    return indexed(SOURCE, LEDGERS.last)


@pytest.fixture
def blocks(
    chain: Chain, serve: Serve, save_blocks: Callable[[str], Blocks], engine: Engine
) -> Blocks:
    """The blocks that lead to the chain and to the database, which holds all of it."""
    return save_blocks(serve(chain).url)


def _audit(blocks: Blocks, **parameters: Any) -> AuditSummary:
    return _summary(audit(**blocks, **parameters, return_state=True))


def _summary(state: Any) -> AuditSummary:
    """What an audit did, whatever it found."""
    result = state.result(raise_on_failure=False)
    summary = result.summary if isinstance(result, IncompleteError) else result
    assert isinstance(summary, AuditSummary)
    return summary


def _execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _lose(engine: Engine, first: int, last: int) -> None:
    """Take ledgers out of the database, coverage and all."""
    tables = ("events", "transactions", "operations", "token_operations")
    _execute(
        engine,
        *(
            f"DELETE FROM stored.{table} WHERE ledger BETWEEN {first} AND {last}"
            for table in tables
        ),
        f"DELETE FROM ledgers WHERE sequence BETWEEN {first} AND {last}",
        f"UPDATE coverage SET ledgers = ledgers - '{{[{first},{last}]}}'",
    )


def _empty(engine: Engine) -> None:
    """Take everything out of the database."""
    _execute(engine, *(f"TRUNCATE {table.fullname}" for table in metadata.sorted_tables))


def _without_memory(sums: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    return {name: one for name, one in sums.items() if name not in MEMORY}


def test_whole_database_is_found_whole(blocks: Blocks) -> None:
    summary = _audit(blocks, sample="all", repair=True)
    assert summary.healthy
    assert summary.headline() == "stream all, ledgers 1-40: whole; 40 compared with the node"
    assert (summary.left, summary.seconds_left, summary.written) == (None, None, [])
    lines = dict(_audit(blocks, sample=5).table())
    assert lines["ledgers compared with the node"] == "5 of 40 that it still has"


def test_whole_ledgers_are_proved_up_to_a_trusted_hash(blocks: Blocks, engine: Engine) -> None:
    rows = whole_rows(SOURCE, LEDGERS)
    upsert_batch(engine, rows, "all")
    anchor = f"30:{rows.headers[30].hash}"
    summary = _audit(blocks, sample=5, anchor=anchor)
    lines = dict(summary.table())
    assert lines["proved as whole ledgers"] == "40 (1-40)"
    assert lines["anchor"] == "it vouches for ledgers 1-30; 31-40 only build on it"
    assert (summary.healthy, summary.complete) == (True, True)
    _execute(engine, "UPDATE ledgers SET hash = repeat('0', 64) WHERE sequence = 30")
    summary = _audit(blocks, sample=5, anchor=anchor)
    assert [(row["finding"], row["ledgers"]) for row in summary.finding_rows()] == [
        ("chain", "31"),
        ("anchor", "30"),
    ]
    assert (summary.healthy, summary.complete) == (False, False)
    assert "not whole: breaks of the chain 1, ledgers that are not the anchor 1" in (
        summary.headline()
    )


def test_rows_deleted_by_hand_are_found_and_mended_exactly(
    blocks: Blocks, engine: Engine, checksums: Checksums
) -> None:
    before = checksums(engine)
    _execute(
        engine,
        "DELETE FROM events WHERE ledger = 7",
        "DELETE FROM stored.token_operations WHERE ledger = 7",
        "DELETE FROM transactions WHERE ledger = 12 AND application_order = 2",
    )
    _lose(engine, 20, 22)
    seen = _audit(blocks, sample="all")
    assert seen.found is not None
    assert [(one.ledger, one.table) for one in seen.found.compared.differences] == [
        (7, "events"),
        (7, "token_operations"),
        (12, "transactions"),
    ]
    assert seen.found.missing == [(20, 22)]
    assert (seen.found.compared.ledgers, seen.left, seen.healthy) == (37, None, False)

    state: Any = audit(**blocks, sample="all", repair=True, return_state=True)
    mended = _summary(state)
    assert mended.found == seen.found
    assert mended.written == [(7, 7), (12, 12), (20, 22)]
    assert mended.healthy
    assert "whole again, after missing 3 (20-22), differ from the node 2 (7, 12)" in (
        mended.headline()
    )
    assert _without_memory(checksums(engine)) == _without_memory(before)
    artifacts = artifacts_of(state)
    assert artifacts["audit-findings"].description == mended.headline()
    assert "### found: missing (1)\n\n- **20-22**: not stored" in str(
        artifacts["audit-findings"].data
    )
    assert str(artifacts["status"].description).split(" (")[0] == "healthy"
    assert "| last runs | " in str(artifacts["status"].data)
    assert "audit: Running, " in str(artifacts["status"].data)


def test_moving_window_shows_clock_order_and_an_honest_gap(
    chain: Chain, blocks: Blocks, engine: Engine, tmp_path: Path
) -> None:
    for lost in ((5, 6), (30, 31), (20, 22)):
        _lose(engine, *lost)
    _execute(engine, "DELETE FROM events WHERE ledger = 25")
    chain.close(10)
    metrics = tmp_path / "audit.prom"
    seen = _audit(blocks, sample="all", metrics_file=str(metrics))
    assert _figures(metrics) == {
        "retention_seconds_left": 45.0,
        "missing_ledgers": 7.0,
        "gap_ledgers": 0.0,
        "differing_ledgers": 1.0,
        "quarantined_items": 0.0,
        "healthy": 0.0,
    }
    assert seen.found is not None
    assert seen.found.clock[:2] == (20, 11)
    assert seen.seconds_left == 45.0
    assert (
        "retention clock",
        "45 seconds until ledger 20 leaves the node (oldest: 11)",
    ) in seen.table()
    assert read_coverage(engine, "all").gaps == ()

    state = audit(**blocks, sample="all", repair=True, return_state=True)
    mended = _summary(state)
    assert (state.name, mended.healthy) == ("Incomplete", False)
    assert mended.gaps == [(5, 6)]
    assert (mended.left.missing, mended.left.gaps, mended.left.differing) == ([], [(5, 6)], [])
    assert read_coverage(engine, "all").gaps == ((5, 6),)
    # A gap that nobody can fill fails the audit that recorded it, and no later one.
    later = audit(**blocks, sample="all", return_state=True)
    assert (later.name, _summary(later).healthy) == ("Completed", False)
    with engine.begin() as connection:
        order = connection.execute(
            text(
                "SELECT ledger FROM stored.events WHERE ledger IN (20, 25, 30) "
                "GROUP BY ledger ORDER BY min(xmin::text::int)"
            )
        ).scalars()
        assert list(order) == [20, 25, 30]
    assert _audit(blocks, start_ledger=7, sample="all", metrics_file=str(metrics)).healthy
    figures = _figures(metrics)
    assert figures["healthy"] == 1.0
    assert "retention_seconds_left" not in figures


def test_recording_in_a_moving_window_is_repaired_as_far_as_the_node_has_it(
    recording_path: Callable[[str], Path],
    serve: Serve,
    save_blocks: Callable[[str], Blocks],
    engine: Engine,
) -> None:
    _empty(engine)
    chain = Chain(Recording(recording_path("pubnet-30822015")), closed=8, retention=8)
    server = serve(chain)
    first, last = chain.window()
    with RpcClient(server.url) as client:
        index_all(client, engine, LedgerRange(first, last))
    for lost in (first + 1, first + 6, first + 4):
        _lose(engine, lost, lost)
    chain.close(3)
    blocks = save_blocks(server.url)
    seen = _audit(blocks, sample="all", start_ledger=first, end_ledger=last)
    assert seen.found is not None
    assert seen.found.missing == [(first + n, first + n) for n in (1, 4, 6)]
    # Ledger first + 4 leaves behind first + 3, the node's oldest now: one close of 5 or 6 s.
    assert seen.found.clock[:2] == (first + 4, first + 3)
    assert seen.seconds_left is not None
    assert 4 < seen.seconds_left < 8
    mended = _audit(blocks, sample="all", start_ledger=first, end_ledger=last, repair=True)
    assert mended.written == [(first + 4, first + 4), (first + 6, first + 6)]
    assert mended.gaps == [(first + 1, first + 1)]
    assert read_coverage(engine, "all").gaps == ((first + 1, first + 1),)
    assert mended.left is not None
    assert [finding.kind for finding in mended.left.findings()] == ["gap"]


def _figures(path: Path) -> dict[str, float]:
    """The metrics in a file by name, but for the time at which it was written."""
    families = text_string_to_metric_families(path.read_text())
    samples = [sample for family in families for sample in family.samples]
    assert {sample.labels["stream"] for sample in samples} == {"all"}
    figures = {sample.name.removeprefix("sorobanflow_audit_"): sample.value for sample in samples}
    assert abs(figures.pop("finished_timestamp_seconds") - time.time()) < 60
    return figures


def test_ledgers_that_leave_the_node_meanwhile_are_not_compared(
    chain: Chain, blocks: Blocks, serve: Serve, save_blocks: Callable[[str], Blocks]
) -> None:
    later = Chain(SOURCE, closed=LEDGERS.last, retention=11)
    with balanced({"getHealth": serve(chain).url}, serve(later).url) as url:
        summary = _audit(save_blocks(url), sample="all")
    assert summary.found is not None
    assert (summary.comparable, summary.found.compared.ledgers) == (40, 11)
    assert summary.healthy


def test_range_that_cannot_be_repaired_does_not_stop_the_others(
    chain: Chain,
    blocks: Blocks,
    serve: Serve,
    save_blocks: Callable[[str], Blocks],
    engine: Engine,
) -> None:
    _lose(engine, 10, 11)
    _lose(engine, 20, 21)
    refusing = serve(chain, faults=parse_faults("getEvents:1=-32602"))
    summary = _audit(save_blocks(refusing.url), sample=0, repair=True)
    assert summary.written == [(20, 21)]
    assert summary.left is not None
    assert summary.left.missing == [(10, 11)]
    assert [one.ledgers for one in summary.left.compared.failures] == [(10, 11)]
    assert "getEvents was refused" in summary.left.compared.failures[0].error


def test_quarantine_is_replayed_and_restores_the_database(
    chain: Chain, blocks: Blocks, engine: Engine, checksums: Checksums
) -> None:
    before = checksums(engine)
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        event = EventsWalk(LedgerRange(9, 9)).read(client).events[-1]
    payload = payload_of(event).replace("'", "''").replace(":", "\\:")
    _execute(
        engine,
        "INSERT INTO quarantine (kind, key, ledger, payload, error_class, error) SELECT 'event', "
        f"max(id), 9, '{payload}', 'DecodeError', 'bug' FROM events WHERE ledger = 9",
        "DELETE FROM stored.token_operations USING quarantine WHERE token_operations.ledger = 9 "
        "AND right(key, 10)::int = event_index "
        "AND left(key, 19)::bigint & 4294967295 = tx_index * 4096::bigint + op_index",
        "DELETE FROM events WHERE id = (SELECT key FROM quarantine)",
    )
    seen = _audit(blocks, sample="all")
    assert seen.found is not None
    assert seen.found.compared.differences == ()
    assert [(one.kind, one.items, one.ledgers) for one in seen.found.quarantine] == [
        ("event", 1, (9, 9))
    ]
    mended = _audit(blocks, sample=0, repair=True)
    assert mended.replayed == (1, 0, [])
    assert mended.healthy
    assert _without_memory(checksums(engine)) == _without_memory(before)


def test_ledger_of_a_replayed_transaction_is_indexed_again(
    blocks: Blocks, engine: Engine, chain: Chain
) -> None:
    # Refunds of fees count on the whole ledger, which a replay does not have.
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        items = client.get_transactions(start=9, limit=1).items
    assert items
    payload = payload_of(items[0]).replace(":", "\\:")
    _execute(
        engine,
        "INSERT INTO quarantine (kind, key, ledger, payload, error_class, error) "
        f"SELECT 'transaction', hash, 9, '{payload}', 'DecodeError', 'bug' FROM transactions "
        "WHERE ledger = 9 AND application_order = 1",
        "DELETE FROM transactions WHERE hash = (SELECT key FROM quarantine)",
        "DELETE FROM operations WHERE tx_hash = (SELECT key FROM quarantine)",
    )
    summary = _audit(blocks, sample=0, repair=True)
    assert summary.replayed == (1, 0, [9])
    assert summary.written == [(9, 9)]
    assert summary.healthy


def test_rows_changed_and_added_by_hand_are_found_and_mended_exactly(
    blocks: Blocks, engine: Engine, checksums: Checksums
) -> None:
    before = checksums(engine)
    _execute(
        engine,
        "DELETE FROM stored.token_operations",
        "DELETE FROM token_balances",
        "DELETE FROM contract_data_entries WHERE ledger < 30",
        """UPDATE events SET value = '"by hand"'""",
        "UPDATE transactions SET fee_charged = fee_charged + 1",
        "UPDATE operations SET details = 'null' WHERE ledger = 9",
        "INSERT INTO stored.transactions SELECT (jsonb_populate_record(t, "
        "jsonb_build_object('application_order', 99))).* "
        "FROM stored.transactions t WHERE ledger = 15 LIMIT 1",
    )
    summary = _audit(blocks, sample="all", repair=True)
    assert summary.found is not None
    tables = {one.table for one in summary.found.compared.differences}
    assert tables == {
        "contract_data_entries",
        "events",
        "operations",
        "token_balances",
        "token_operations",
        "transactions",
    }
    assert dict(summary.table())["found: rows of operations that differ"] == "4"
    assert summary.healthy
    assert _without_memory(checksums(engine)) == _without_memory(before)


def test_state_that_claims_another_change_is_repaired_from_the_ledger_that_made_it(
    blocks: Blocks, engine: Engine, checksums: Checksums
) -> None:
    before = checksums(engine)
    _execute(
        engine,
        "UPDATE account_entries SET ledger = 40, tx_order = 900 WHERE ledger < 20",
        "UPDATE token_balances SET ledger = 1000 WHERE ledger < 20",
        "UPDATE contract_data_entries SET ttl_ledger = 25, ttl_tx_order = 0 WHERE ttl_ledger < 20",
    )
    summary = _audit(blocks, sample=1, repair=True)
    assert summary.healthy
    assert _without_memory(checksums(engine)) == _without_memory(before)


def test_filtered_backfill_with_force_removes_nothing(blocks: Blocks, engine: Engine) -> None:
    added = (
        "INSERT INTO stored.events SELECT (jsonb_populate_record(e, "
        "jsonb_build_object('event_index', 999))).* "
        "FROM stored.events e WHERE ledger = 15 LIMIT 1"
    )
    _execute(engine, added)
    query = text("SELECT count(*) FROM events WHERE ledger BETWEEN 11 AND 20")
    with engine.begin() as connection:
        stored = connection.execute(query).scalar()
    arguments = {**blocks, "start_ledger": 11, "end_ledger": 20, "force": True}
    backfill(**arguments, topics=[["*", "*", "*", "*"]])
    with engine.begin() as connection:
        assert connection.execute(query).scalar() == stored
    backfill(**arguments)
    with engine.begin() as connection:
        assert connection.execute(query).scalar() == stored - 1


def test_filtered_stream_is_audited_by_itself(blocks: Blocks, engine: Engine) -> None:
    topics = [["*", "*", "*", "*"]]
    index(**blocks, topics=topics, start_ledger=30)
    _execute(engine, "DELETE FROM events WHERE jsonb_array_length(topics) <> 4")
    assert _audit(blocks, topics=topics, sample="all").healthy


def test_exit_code_says_whether_the_stream_is_whole(
    blocks: Blocks, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"{name}={value}" for name, value in blocks.items()]
    assert run_flow(audit, ["sample=all", *arguments]) == 0
    _lose(engine, 20, 22)
    assert run_flow(audit, ["sample=0", *arguments]) == 1
    assert "not whole: missing 3 (20-22)" in capsys.readouterr().out
    assert run_flow(audit, ["sample=0", "repair=true", *arguments]) == 0
    assert run_flow(audit, ["sample=all", "rpc=nobody"]) == 2


def test_stream_that_was_never_indexed_is_refused(
    serve: Serve, chain: Chain, save_blocks: Callable[[str], Blocks], engine: Engine
) -> None:
    _empty(engine)
    blocks = save_blocks(serve(chain).url)
    with pytest.raises(ConfigurationError, match="nothing to audit"):
        audit(**blocks)
    seen = _audit(blocks, start_ledger=30, repair=True)
    assert (seen.healthy, read_coverage(engine, "all").covered) == (True, ((30, 40),))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sample": -1}, "greater than or equal to 0"),
        ({"sample": "some"}, "'all'"),
        ({"start_ledger": 0}, "greater than or equal to 1"),
    ],
)
def test_bad_parameter_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterTypeError, match=message):
        audit(**parameters)
