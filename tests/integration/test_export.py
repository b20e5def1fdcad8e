"""Exports from a real PostgreSQL: every value exact, only covered ledgers, one snapshot."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import Engine, text

from sorobanflow.errors import ConfigurationError
from sorobanflow.export.frames import FRAME_ROWS
from sorobanflow.export.run import ExportSummary, Request, export
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.store.coverage import Stream, add_coverage, open_stream, pin_network
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.partitions import ensure_partitions
from sorobanflow.store.tables import events, token_operations, transactions
from sorobanflow.toid import Position
from tests.integration.state_changes import store

Export = Callable[..., ExportSummary]
PASSPHRASE = "Test Network"
CLOSED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _run(engine: Engine, *statements: str, **values: Any) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), values)


def _cover(engine: Engine, *ranges: tuple[int, int], stream: str = "all") -> None:
    open_stream(engine, Stream(stream))
    with engine.begin() as connection:
        for first, last in ranges:
            add_coverage(driver_connection(connection), stream, LedgerRange(first, last))


def _store(engine: Engine, index: int, ledger: int, amount: int | None = None) -> str:
    """Store a token operation of an event, whose id it returns."""
    row = TokenOperationRow(
        CLOSED, ledger, 1, 0, index, 0, True, b"\xab", "C1", amount=amount,
        live_until_ledger=4294967295, to_muxed_id='"é",\n🌟' if amount else "",
        to_muxed_type="string",
    )  # fmt: skip
    store(engine, token_operations, row)
    return Position(ledger, 1, 0, index).event_id


@pytest.fixture
def run_export(engine: Engine, tmp_path: Path) -> Export:
    """Export from the test's database, pinned to a network, into the test's folder."""
    pin_network(engine, PASSPHRASE)

    def run(table: str = "token_operations", **options: Any) -> ExportSummary:
        request = Request(table, folder=tmp_path, **options)
        return export(engine, request, lambda rows, left: None)

    return run


def _rows(summary: ExportSummary) -> list[dict[str, Any]]:
    folder = summary.manifest.parent
    return [
        row for file in summary.files for row in parquet.read_table(folder / file.name).to_pylist()
    ]


def test_token_operations_come_back_exactly(engine: Engine, run_export: Export) -> None:
    _cover(engine, (1, 10))
    amounts = {
        _store(engine, index, 5, amount): amount
        for index, amount in enumerate((-(2**127), 2**127 - 1, None))
    }
    nulls = dict.fromkeys(("from_address", "to_address", "admin_address", "asset"))
    assert _rows(run_export()) == [
        {
            "event_id": event_id,
            "ledger": 5,
            "closed_at": CLOSED,
            "tx_hash": "ab",
            "op_index": 0,
            "contract_id": "C1",
            "type": "transfer",
            "amount": None if amount is None else Decimal(amount),
            "authorized": None,
            "live_until_ledger": 4294967295,
            "to_muxed_id": '"é",\n🌟' if amount else "",
            "to_muxed_type": "string",
            "successful": True,
        }
        | nulls
        for event_id, amount in amounts.items()
    ]


def test_json_is_the_text_that_postgresql_prints(engine: Engine, run_export: Export) -> None:
    _cover(engine, (1, 10))
    value = '{"u64":18446744073709551615,"b":1.10,  "a":"é\\"\\n"}'
    row = EventRow(CLOSED, 5, 1, 0, 0, False, None, b"\xab", None, "[]", value)
    store(engine, events, row)
    (row,) = _rows(run_export("events"))
    assert row["value"] == '{"a": "é\\"\\n", "b": 1.10, "u64": 18446744073709551615}'
    assert row["topics"] == "[]"


def test_view_keeps_bytes_and_numerics_without_a_precision(
    engine: Engine, run_export: Export
) -> None:
    _cover(engine, (1, 10))
    for index in range(2):
        _store(engine, index, 5, 2**127 - 1)
    _run(
        engine,
        "CREATE VIEW sums AS SELECT ledger, sum(amount) * 0.0000001 AS total, "
        r"'\x00ff'::bytea AS code, max(closed_at) AS newest, '2026-01-01'::date AS day "
        "FROM token_operations GROUP BY ledger",
    )
    assert _rows(run_export("sums")) == [
        {
            "ledger": 5,
            "total": "34028236692093846346337460743176.8211454",
            "code": b"\x00\xff",
            "newest": CLOSED,
            "day": "2026-01-01",
        }
    ]


def test_rows_are_those_of_the_range_by_ledger_then_key(engine: Engine, run_export: Export) -> None:
    _cover(engine, (1, 10))
    stored = [
        _store(engine, index, ledger)
        for index, ledger in [(10, 6), (1, 4), (9, 6), (1, 7), (1, 3), (1, 8)]
    ]
    summary = run_export(first_ledger=4, last_ledger=7)
    in_order = [stored[place] for place in (1, 2, 0, 3)]
    assert [row["event_id"] for row in _rows(summary)] == in_order


def test_ledgers_are_selected_by_their_sequence(engine: Engine, run_export: Export) -> None:
    _cover(engine, (1, 10))
    _run(engine, "INSERT INTO ledgers SELECT n, now(), 0, 0 FROM generate_series(1, 10) AS n")
    summary = run_export("ledgers", first_ledger=3, last_ledger=5)
    assert [row["sequence"] for row in _rows(summary)] == [3, 4, 5]


def test_transactions_are_selected_by_their_ledger_not_their_sequence_number(
    engine: Engine, run_export: Export
) -> None:
    _cover(engine, (1, 10))
    transaction = TransactionRow(
        CLOSED, 1, 1, 2**63 - 1, 5, 1, 1, True, False, b"\xab", b"", "G", source_muxed_id=2**64 - 1
    )
    store(engine, transactions, transaction)
    (row,) = _rows(run_export("transactions", first_ledger=5, last_ledger=5))
    assert (row["sequence"], row["source_muxed_id"]) == (2**63 - 1, Decimal(2**64 - 1))


def test_export_without_a_range_takes_all_that_is_covered(
    engine: Engine, run_export: Export
) -> None:
    _cover(engine, (3, 9))
    _store(engine, 0, 3)
    _store(engine, 0, 9)
    summary = run_export()
    assert (summary.ledgers, summary.rows) == ((3, 9), 2)
    assert summary.manifest.name == "token_operations-3-9.parquet.manifest.json"


def test_manifest_says_what_was_written(engine: Engine, run_export: Export) -> None:
    _cover(engine, (1, 10))
    _store(engine, 0, 5)
    manifest = json.loads(run_export(first_ledger=2, format="csv").manifest.read_text())
    assert datetime.fromisoformat(manifest.pop("created_at")).utcoffset() is not None
    (file,) = manifest.pop("files")
    assert (file["name"], file["rows"]) == ("token_operations-2-10-00001.csv", 1)
    columns = {column["name"]: column for column in manifest.pop("columns")}
    assert columns["amount"] == {
        "name": "amount",
        "type": "numeric(39,0)",
        "arrow": "decimal256(39, 0)",
    }
    assert manifest.pop("program").startswith("sorobanflow ")
    assert manifest == {
        "table": "token_operations",
        "stream": "all",
        "first_ledger": 2,
        "last_ledger": 10,
        "network_passphrase": PASSPHRASE,
        "format": "csv",
        "rows": 1,
    }


def test_same_rows_give_the_same_files(engine: Engine, run_export: Export) -> None:
    _cover(engine, (1, 10))
    for number in range(20):
        _store(engine, number, 5 + number % 3)
    first = run_export().files
    _run(engine, "UPDATE stored.token_operations SET admin_address = NULL WHERE event_index < 5")
    assert run_export().files == first


def test_ledgers_that_are_not_covered_are_named(engine: Engine, run_export: Export) -> None:
    _cover(engine, (10, 19), (22, 24), (26, 30))
    with pytest.raises(ConfigurationError) as caught:
        run_export(first_ledger=15, last_ledger=33)
    assert str(caught.value) == (
        "stream 'all' lacks 20-21, 25, 31-33 of ledgers 15-33; index or backfill them first, "
        "or export ledgers that it covers: 10-19, 22-24, 26-30"
    )


def test_holes_in_the_whole_coverage_are_named(engine: Engine, run_export: Export) -> None:
    _cover(engine, (10, 19), (22, 24))
    with pytest.raises(ConfigurationError, match="lacks 20-21 of ledgers 10-24"):
        run_export()


def test_many_holes_are_named_by_their_ends(engine: Engine, run_export: Export) -> None:
    _cover(engine, *((ledger, ledger) for ledger in range(1, 400, 2)))
    with pytest.raises(ConfigurationError, match="lacks 2, 4, 6, …, 394, 396, 398 of ledgers"):
        run_export()


def test_refused_export_writes_nothing(engine: Engine, run_export: Export, tmp_path: Path) -> None:
    _cover(engine, (10, 19))
    with pytest.raises(ConfigurationError):
        run_export(first_ledger=9)
    assert list(tmp_path.iterdir()) == []


def test_range_that_ends_before_it_begins_is_refused(engine: Engine, run_export: Export) -> None:
    _cover(engine, (10, 19))
    with pytest.raises(ConfigurationError, match="first_ledger 30 is after last_ledger 19"):
        run_export(first_ledger=30)


def test_stream_without_ledgers_is_refused_by_name(engine: Engine, run_export: Export) -> None:
    _cover(engine, (10, 19), stream="filter-1")
    with pytest.raises(ConfigurationError, match=r"'all' covers no ledgers.*: filter-1$"):
        run_export()
    assert run_export(stream="filter-1").ledgers == (10, 19)


@pytest.mark.parametrize("name", ["nothing", "coverage", "mine", 'x"; DROP TABLE events; --', ""])
def test_name_that_is_no_table_with_ledgers_is_refused(
    name: str, engine: Engine, run_export: Export
) -> None:
    _cover(engine, (10, 19))
    _run(engine, "CREATE TABLE mine (ledger int)", 'CREATE VIEW "a/b" AS SELECT 1 AS ledger')
    with pytest.raises(ConfigurationError, match="is no table or view with ledgers") as caught:
        run_export(name)
    _, valid = str(caught.value).split("There are: ")
    names = set(valid.split(", "))
    assert {"events", "ledgers", "operations", "token_operations", "transactions"} < names
    assert not names & {"coverage", "gaps", "network", "mine", "a/b"}


def test_every_table_and_view_with_ledgers_can_be_exported(
    engine: Engine, run_export: Export
) -> None:
    _cover(engine, (10, 19))
    query = (
        "SELECT table_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND column_name = 'ledger'"
    )
    with engine.begin() as connection:
        names = connection.execute(text(query)).scalars().all()
    assert {"events", "operations", "quarantine", "token_operations", "transactions"} <= {*names}
    for name in names:
        assert _rows(run_export(name)) == []


def test_name_in_need_of_quotes_is_exported(engine: Engine, run_export: Export) -> None:
    _cover(engine, (10, 19))
    _run(engine, 'CREATE VIEW "Select" AS SELECT 12 AS ledger, 1 AS "order by ""x"""')
    assert _rows(run_export("Select")) == [{"ledger": 12, 'order by "x"': 1}]


def test_rows_written_meanwhile_are_not_in_it(engine: Engine, tmp_path: Path) -> None:
    _cover(engine, (1, 10))
    count = FRAME_ROWS + 10_000
    ensure_partitions(engine, LedgerRange(5, 6))
    _run(
        engine,
        "INSERT INTO stored.token_operations (closed_at, ledger, tx_index, op_index, event_index, "
        "type, successful, tx_hash, contract_id) "
        "SELECT now(), 5, 0, 0, n, 7, true, '', '' FROM generate_series(1, :count) AS n",
        count=count,
    )
    progress = []

    def change(rows: int, left: LedgerRange) -> None:
        progress.append((rows, left))
        _run(
            engine,
            "DELETE FROM stored.token_operations WHERE event_index % 10 = 9",
            "UPDATE stored.token_operations SET ledger = 6",
        )

    summary = export(engine, Request("token_operations", folder=tmp_path), change)
    assert progress == [(FRAME_ROWS, LedgerRange(5, 10)), (count, LedgerRange(5, 10))]
    rows = _rows(summary)
    assert {row["ledger"] for row in rows} == {5}
    assert len({row["event_id"] for row in rows}) == count


def test_export_that_fails_gives_its_connection_back(engine: Engine, run_export: Export) -> None:
    _cover(engine, (1, 10))
    _run(engine, "CREATE VIEW bad AS SELECT 5 AS ledger, 1 / (random() * 0)::int AS x")
    for _ in range(11):  # the pool has ten
        with pytest.raises(Exception, match="division by zero"):
            run_export("bad")
    assert run_export("token_operations").rows == 0
