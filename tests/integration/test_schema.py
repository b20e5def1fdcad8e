"""The migrations on a real database, against the metadata and back."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from sorobanflow.errors import SchemaError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.store import schema
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import PARTITIONED, SPEC_TABLES, STATE_TABLES, metadata
from sorobanflow.store.upsert import upsert_batch

VIEWS = {"balances", "contract_creations", "contract_storage", "transfers"}
VIEWS |= {"account_spendable", "trust_line_spendable", "pool_providers", "claimable"}
VIEWS |= {table.name for table in PARTITIONED}
VIEWS |= {"contract_wasms"}
VIEWS |= {"events_named", "calls_named", "storage_named"}
VIEWS |= {"trade_prices", "path_payments", "contract_invocations", "timeline"}
OF_0001 = """
    INSERT INTO network VALUES (true, 'Test SDF Network ; September 2015');
    INSERT INTO coverage (stream, ledgers) VALUES ('all', '{[5,8)}');
    INSERT INTO ledgers VALUES (5, '2026-01-01Z', 0, 1);
    INSERT INTO events
    VALUES ('0000000021474840576-0000000000', 5, '2026-01-01Z', 'ab', 1, 0, 0, 'contract', 'C1',
        '[]', '{}');
    INSERT INTO token_operations (event_id, ledger, closed_at, tx_hash, contract_id, type, amount,
        asset, successful)
    VALUES ('0000000021474840576-0000000000', 5, '2026-01-01Z', 'ab', 'C1', 'mint', 15000000,
        'native', true);
    INSERT INTO quarantine VALUES ('event', 'a', 5, '{}', 'DecodeError', 'bad XDR')
"""


@pytest.fixture
def engine_of_0001(new_database: None, database_url: str) -> Iterator[Engine]:
    with open_engine(database_url, PoolSettings(max_idle=1, max_open=2)) as engine:
        schema.upgrade(engine, "0001")
        with engine.begin() as connection:
            for statement in OF_0001.split(";\n"):
                connection.exec_driver_sql(statement)
        yield engine


def _all(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def _differences(engine: Engine) -> list[Any]:
    """Compare with the metadata, which has no partitions."""
    options = {"include_schemas": True, "include_object": _is_described}
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def _is_described(one: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    is_table = kind == "table" and reflected
    return not (is_table and one.schema is not None and one.fullname not in metadata.tables)


def _public_tables() -> set[str]:
    return {table.name for table in metadata.tables.values() if table.schema is None}


def test_migrations_give_the_tables_of_the_metadata(engine: Engine) -> None:
    assert _differences(engine) == []


def test_migrations_give_the_views(engine: Engine) -> None:
    assert set(inspect(engine).get_view_names()) == VIEWS


def test_downgrade_removes_every_table_and_upgrade_brings_them_back(engine: Engine) -> None:
    schema.downgrade(engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert inspect(engine).get_view_names() == []
    assert set(inspect(engine).get_schema_names()) == {"public", "information_schema"}
    schema.upgrade(engine)
    assert set(inspect(engine).get_table_names()) == {*_public_tables(), "alembic_version"}
    assert set(inspect(engine).get_view_names()) == VIEWS


def test_upgrade_from_0001_keeps_its_rows_and_adds_no_state(engine_of_0001: Engine) -> None:
    schema.upgrade(engine_of_0001)
    assert _differences(engine_of_0001) == []
    assert read_coverage(engine_of_0001, "all").covered == ((5, 7),)
    for table in STATE_TABLES:
        assert _all(engine_of_0001, f"SELECT * FROM {table.name}") == []
    assert _all(engine_of_0001, "SELECT symbol, scaled_amount FROM transfers") == [("native", 1.5)]


def test_upgrade_from_0001_leaves_a_database_that_can_be_written(engine_of_0001: Engine) -> None:
    schema.upgrade(engine_of_0001)
    assert _all(engine_of_0001, "SELECT stream, attempts FROM quarantine") == [(None, 1)]
    batch = BatchRows(LedgerRange(5, 5))
    batch.quarantine = [QuarantineRow("event", "a", 5, "{}", "DecodeError", "bad XDR")]
    upsert_batch(engine_of_0001, batch, "all")
    assert _all(engine_of_0001, "SELECT stream, attempts FROM quarantine") == [("all", 2)]
    unknown = "SELECT CAST(unknown_executables AS text) FROM coverage"
    assert _all(engine_of_0001, unknown) == [("{[6,8)}",)]  # until they are indexed again


def test_downgrade_to_0001_keeps_what_0001_knows(engine_of_0001: Engine) -> None:
    before = {table: _all(engine_of_0001, f"SELECT * FROM {table}") for table in _tables_of_0001()}
    schema.upgrade(engine_of_0001)
    schema.downgrade(engine_of_0001, "0001")
    names = set(inspect(engine_of_0001).get_table_names())
    assert names == {*_tables_of_0001(), "alembic_version"}
    assert inspect(engine_of_0001).get_view_names() == []
    for table, rows in before.items():
        assert _all(engine_of_0001, f"SELECT * FROM {table}") == rows


def _tables_of_0001() -> set[str]:
    later = {table.name for table in STATE_TABLES}
    names = {table.name for table in metadata.tables.values()}
    later |= {"audited", "event_shapes", "tokens", "token_answers", "trades", "contract_calls"}
    later |= {"live_streams", "archives", "dropped"}
    later |= {"contract_executables", "contract_answers", "contracts"}
    later |= {"contract_specs", "inferred_events", *(table.name for table in SPEC_TABLES)}
    return names - later


DATA_0006 = """
    INSERT INTO contract_data_entries (key_hash, contract_id, durability, key, key_xdr, deleted,
        live_until_ledger, ttl_ledger, ttl_tx_order)
    VALUES ('ab', 'C1', 'persistent', '{}', '', false, 900, 5, 1)
"""
COMMENTS = """
    SELECT c.relname, a.attname, col_description(c.oid, a.attnum), obj_description(c.oid)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY 1, 2
"""


def test_revision_0007_comes_and_goes_on_stored_rows(engine_of_0001: Engine) -> None:
    engine = engine_of_0001
    schema.upgrade(engine, "0006")
    with engine.begin() as connection:
        connection.exec_driver_sql(DATA_0006)
    queries = (COMMENTS, "SELECT * FROM contract_data_entries", "SELECT * FROM ledgers")
    before = [_all(engine, query) for query in queries]
    schema.upgrade(engine, "0007")
    assert _all(engine, "SELECT hash, proved FROM ledgers") == [(None, False)]
    assert _all(engine, "SELECT evicted FROM contract_data_entries") == [(False,)]
    assert len(_all(engine, COMMENTS)) == len(before[0]) + 10 + 2
    schema.downgrade(engine, "0006")
    assert [_all(engine, query) for query in queries] == before


def test_revision_0008_comes_and_goes_on_stored_rows(engine_of_0001: Engine) -> None:
    engine = engine_of_0001
    schema.upgrade(engine, "0007")
    queries = (COMMENTS, "SELECT * FROM ledgers")
    before = [_all(engine, query) for query in queries]
    schema.upgrade(engine, "0008")
    assert _all(engine, "SELECT upgrades, evicted_keys FROM ledgers") == [(None, None)]
    assert not [row for row in _all(engine, COMMENTS) if "behind the point" in (row[2] or "")]
    schema.downgrade(engine, "0007")
    assert [_all(engine, query) for query in queries] == before


BALANCES_0008 = """
    INSERT INTO contract_data_entries (key_hash, contract_id, durability, key, key_xdr, deleted,
        ledger, tx_order, op_order, change_order, live_until_ledger, ttl_ledger, ttl_tx_order)
    SELECT key_hash, 'C1', 'persistent',
        ('{"vec": [{"symbol": "Balance"}, {"address": "' || holder || '"}]}')::jsonb,
        '', false, 5, 1, 1, 0, live_until_ledger, 5, 1
    FROM (VALUES ('ab', 'C2', 4), ('cd', 'C3', 5)) AS v (key_hash, holder, live_until_ledger);
    INSERT INTO token_balances
    SELECT 'C1', 'C' || n, 7, NULL, NULL, NULL, source, false, 5, 1, 1, 0
    FROM (VALUES (2, 'contract_data'), (3, 'contract_data'), (4, 'trustline')) AS v (n, source)
"""
POOL_SHARE = """
    INSERT INTO token_balances VALUES
    ('L1', 'G1', 15000000, NULL, NULL, NULL, 'pool_share', false, 5, 1, 1, 0)
"""


def test_revision_0009_tells_archived_balances_and_goes_again(engine_of_0001: Engine) -> None:
    engine = engine_of_0001
    schema.upgrade(engine, "0008")
    with engine.begin() as connection:
        connection.exec_driver_sql(BALANCES_0008)
    queries = (COMMENTS, "SELECT * FROM token_balances ORDER BY address")
    before = [_all(engine, query) for query in queries]
    schema.upgrade(engine, "0009")
    archived = "SELECT address, archived FROM balances ORDER BY 1"
    assert _all(engine, archived) == [("C2", True), ("C3", False), ("C4", False)]
    with engine.begin() as connection:
        connection.exec_driver_sql(POOL_SHARE)
    shares = _all(engine, "SELECT scaled_amount, symbol FROM balances WHERE contract_id = 'L1'")
    assert shares == [(1.5, None)]
    schema.downgrade(engine, "0008")
    assert [_all(engine, query) for query in queries] == before


DATA_0009 = """
    INSERT INTO transactions (hash, ledger, application_order, closed_at, successful, result_code,
        source_account, fee_account, fee_bid, fee_charged, sequence, memo_type, signatures,
        fee_bump, operation_count, rent_fee_charged)
    VALUES ('ab', 5, 1, '2026-01-01Z', true, 'tx_success', 'G1', 'G2', 200, 100, 7, 'none', '[]',
        false, 1, 3);
    INSERT INTO operations
    VALUES ('ab', 0, 5, '2026-01-01Z', 'payment', 'G1', 9, '{"amount": "7"}', 'success', true);
    CREATE INDEX mine ON operations (source_account) WHERE type LIKE 'pay%%';
    COMMENT ON COLUMN operations.type IS 'its owner''s 100 %% own: words';
    GRANT SELECT ON operations TO PUBLIC
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
#: Without NOT NULL: COLUMNS show it, and PostgreSQL 18 gives each of its constraints a name.
KEYS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype <> 'n' ORDER BY 1, 2
"""
COLUMNS = """
    SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default,
        numeric_precision
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position
"""
PRIVILEGES = "SELECT relname, relacl::text FROM pg_class WHERE relname = 'operations'"


def test_revision_0010_copies_tables_with_all_that_is_on_them(engine_of_0001: Engine) -> None:
    engine = engine_of_0001
    schema.upgrade(engine, "0009")
    with engine.begin() as connection:
        for statement in DATA_0009.split(";\n"):
            connection.exec_driver_sql(statement)
    everything = ("SELECT * FROM transactions", "SELECT * FROM operations")
    queries = (*everything, COMMENTS, INDEXES, KEYS, COLUMNS, PRIVILEGES)
    before = [_all(engine, query) for query in queries]
    schema.upgrade(engine, "0010")
    assert _all(engine, "SELECT details, result_code, result, successful FROM operations") == [
        ({"amount": "7"}, "success", None, True)
    ]
    added = "return_value, inclusion_fee_charged, soroban_archived_entries, resource_fee_refund"
    assert _all(engine, f"SELECT fee_bid, {added} FROM transactions") == [(200, *[None] * 4)]
    assert set(before[3]) < set(_all(engine, INDEXES))
    assert set(before[4]) < set(_all(engine, KEYS))
    assert _all(engine, PRIVILEGES) == before[6]
    assert _all(engine, "SELECT count(*) FROM contract_creations") == [(0,)]
    schema.downgrade(engine, "0009")
    assert [_all(engine, query) for query in queries] == before


def test_prepare_refuses_another_revision_and_says_what_to_run(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"9999.*0019.*sorobanflow migrate"):
        schema.prepare(engine)


def test_prepare_refuses_rows_without_their_views(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    with pytest.raises(SchemaError, match=r"schema stored.*is there.*DROP SCHEMA stored CASCADE"):
        schema.prepare(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA stored CASCADE"))
    schema.prepare(engine)


def test_prepare_refuses_a_database_of_0001(engine_of_0001: Engine) -> None:
    with pytest.raises(SchemaError, match=r"0001.*0019.*sorobanflow migrate"):
        schema.prepare(engine_of_0001)


def test_every_table_and_column_says_what_it_is() -> None:
    for table in metadata.tables.values():
        assert table.comment is not None
        assert "Key:" in table.comment or "One row" in table.comment
        assert [column.name for column in table.columns if not column.comment] == []


def test_every_view_and_its_columns_say_what_they_are(engine: Engine) -> None:
    silent = _all(
        engine,
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace "
        "AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)",
    )
    assert silent == []
