"""State rows meet in PostgreSQL: the newer change wins, whoever writes first."""

import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest
from sqlalchemy import Engine, Table, text

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.state_rows import ContractDataRow, TokenBalanceRow
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.tables import (
    STATE_TABLES,
    VERSION_GROUPS,
    contract_data_entries,
    token_balances,
)
from sorobanflow.store.upsert import upsert_batch
from tests.integration.state_changes import (
    Order,
    merge,
    newest_rows,
    state_batch,
    state_row,
    store,
    stored,
    versions,
)

ROUNDS = 4
BALANCE = TokenBalanceRow(
    "C1", "G1", 10**38, True, False, "native", "account", False,
    ledger=7, tx_order=2, op_order=1, change_order=3,
)  # fmt: skip
UNSEEN = ContractDataRow(
    "ab", "C1", "persistent", '{"u32": 1}', None, False,
    *[None] * 10,
)  # fmt: skip
DATA = UNSEEN._replace(value='{"u32": 5}', ledger=7, tx_order=2, op_order=1, change_order=3)
TTL = UNSEEN._replace(live_until_ledger=900, ttl_ledger=8, ttl_tx_order=1)
BOTH = DATA._replace(live_until_ledger=900, ttl_ledger=8, ttl_tx_order=1)


@pytest.mark.parametrize(
    "older",
    [
        {"ledger": 6, "tx_order": 9, "op_order": 9, "change_order": 9},
        {"tx_order": 1, "op_order": 9, "change_order": 9},
        {"op_order": 0, "change_order": 9},
        {"change_order": 2},
    ],
    ids=["ledger", "transaction", "operation", "change"],
)
def test_older_change_never_overwrites(engine: Engine, older: dict[str, int]) -> None:
    store(engine, token_balances, BALANCE)
    store(engine, token_balances, BALANCE._replace(amount=1, **older))
    assert stored(engine, token_balances) == [BALANCE]


def test_change_of_the_same_order_overwrites(engine: Engine) -> None:
    store(engine, token_balances, BALANCE)
    store(engine, token_balances, BALANCE._replace(amount=1))
    assert stored(engine, token_balances) == [BALANCE._replace(amount=1)]


def test_deleted_entry_stays_deleted_when_an_older_update_comes(engine: Engine) -> None:
    deleted = BALANCE._replace(amount=0, deleted=True, change_order=4)
    store(engine, token_balances, deleted)
    store(engine, token_balances, BALANCE)
    assert stored(engine, token_balances) == [deleted]


def test_deleted_entry_comes_back_with_a_newer_creation(engine: Engine) -> None:
    store(engine, token_balances, BALANCE._replace(amount=0, deleted=True, ledger=6))
    store(engine, token_balances, BALANCE)
    assert stored(engine, token_balances) == [BALANCE]


@pytest.mark.parametrize("rows", [(TTL, DATA), (DATA, TTL)], ids=["ttl first", "data first"])
def test_value_and_time_to_live_change_by_themselves(
    engine: Engine, rows: tuple[ContractDataRow, ...]
) -> None:
    for row in rows:
        store(engine, contract_data_entries, row)
    assert stored(engine, contract_data_entries) == [BOTH]


def test_part_without_an_order_changes_nothing(engine: Engine) -> None:
    store(engine, contract_data_entries, TTL)
    store(engine, contract_data_entries, UNSEEN._replace(deleted=True, live_until_ledger=1))
    assert stored(engine, contract_data_entries) == [TTL]


def test_older_creation_is_kept_beside_a_newer_value(engine: Engine) -> None:
    created = {"created_ledger": 3, "created_tx_order": 1, "created_tx_hash": "aa"}
    store(engine, contract_data_entries, BOTH)
    store(engine, contract_data_entries, DATA._replace(value="null", ledger=3, **created))
    assert stored(engine, contract_data_entries) == [BOTH._replace(**created)]


@pytest.mark.parametrize("table", STATE_TABLES, ids=lambda table: table.name)
def test_every_column_has_one_place_in_the_merge(table: Table) -> None:
    groups = VERSION_GROUPS[table]
    grouped = [name for group in groups for name in (*group.order, *group.data)]
    keys = [column.name for column in table.primary_key]
    rest = [name for name in table.columns.keys() if name not in {*keys, *grouped}]  # noqa: SIM118
    assert len({*keys, *grouped}) == len(keys) + len(grouped)
    wanted = ["contract_id", "durability", "key"]
    assert rest == (wanted if table is contract_data_entries else [])


def _overlapping(table: Table, writer: int) -> list[list[tuple[int, list[Order]]]]:
    """Rounds of changes of the same keys, which the two writers bring in opposite order."""
    random = Random(f"{table.name} {writer}")
    groups = VERSION_GROUPS[table]
    keys = range(500) if writer else range(499, -1, -1)
    return [
        [
            (key, [tuple(random.randint(1, 50) for _ in group.order) for group in groups])
            for key in keys
        ]
        for _ in range(ROUNDS)
    ]


def test_two_writers_of_the_same_keys_end_without_deadlock(engine: Engine) -> None:
    changes = {
        table: [_overlapping(table, writer) for writer in range(2)] for table in STATE_TABLES
    }
    barrier = Barrier(2, timeout=30)
    streams = ("all", "filter-a")
    for stream in streams:
        open_stream(engine, Stream(stream))

    def write(writer: int) -> None:
        for number in range(ROUNDS):
            rows = {
                table: [state_row(table, *change) for change in changes[table][writer][number]]
                for table in STATE_TABLES
            }
            barrier.wait()
            upsert_batch(engine, state_batch(LedgerRange(1, 1), rows), streams[writer])

    with ThreadPoolExecutor(2) as pool:
        for written in [pool.submit(write, writer) for writer in range(2)]:
            written.result()
    for table, writers in changes.items():
        everything = [change for rounds in writers for changes_ in rounds for change in changes_]
        assert stored(engine, table) == sorted(newest_rows(table, everything))


def test_writer_that_waited_for_a_newer_change_does_not_overwrite_it(engine: Engine) -> None:
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            merge(connection, token_balances, BALANCE._replace(ledger=9))
            older = pool.submit(store, engine, token_balances, BALANCE)
            _wait_for_a_lock(engine)
        older.result()
    assert stored(engine, token_balances) == [BALANCE._replace(ledger=9)]


def _wait_for_a_lock(engine: Engine) -> None:
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with engine.begin() as connection:
            if connection.execute(query).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("the other writer did not wait")


def test_batch_again_rewrites_no_state(engine: Engine) -> None:
    open_stream(engine, Stream())
    rows = {
        table: [
            state_row(table, key, [(5,) * len(group.order) for group in groups])
            for key in range(10)
        ]
        for table, groups in VERSION_GROUPS.items()
    }
    batch = state_batch(LedgerRange(5, 5), rows)
    upsert_batch(engine, batch, "all")
    before = {table.name: versions(engine, table) for table in STATE_TABLES}
    upsert_batch(engine, batch, "all")
    assert {table.name: versions(engine, table) for table in STATE_TABLES} == before
