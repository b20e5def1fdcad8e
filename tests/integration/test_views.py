"""The views over small tables: what they show, leave out, and how exactly."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sorobanflow.rows.state_rows import (
    AccountRow,
    ContractDataRow,
    TokenAnswerRow,
    TokenBalanceRow,
    TokenMetadataRow,
    TokenRow,
)
from sorobanflow.rows.token_shapes import TYPES
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.store.tables import (
    account_entries,
    contract_data_entries,
    token_answers,
    token_balances,
    token_metadata,
    token_operations,
    tokens,
    transactions,
)
from tests.integration.state_changes import state_row, store

CLOSED = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = {"ledger": 7, "tx_order": 1, "op_order": 1, "change_order": 0}
USDC = "USDC:GISSUER"
TOKEN = TokenMetadataRow(
    "C1", "Gold", "GLD", 18, None, None, None, "ab", False, **ORDER,
)  # fmt: skip
BALANCE = TokenBalanceRow(
    "C1", "G1", 15 * 10**17, True, None, None, "contract_data", False, **ORDER,
)  # fmt: skip
TRANSFER = TokenOperationRow(
    CLOSED, 7, 1, 0, 0, 0, True, b"\xaa", "C1", "G1", "G2", None, 15 * 10**17, None, None,
    "77", "u64",
)  # fmt: skip
INSTANCE = '"ledger_key_contract_instance"'
ENTRY = ContractDataRow(
    "k1", "C1", "persistent", '{"u32": 1}', '{"u32": 2}', False,
    *ORDER.values(), 100, 7, 1, None, None, None,
)  # fmt: skip
I128_MAX = 2**127 - 1


@pytest.fixture
def query(engine: Engine) -> Callable[[str], list[Any]]:
    def read(statement: str) -> list[Any]:
        with engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    return read


def _ledgers(engine: Engine, *sequences: int) -> None:
    with engine.begin() as connection:
        for sequence in sequences:
            connection.execute(
                text("INSERT INTO ledgers VALUES (:sequence, :closed, 1, 0)"),
                {"sequence": sequence, "closed": CLOSED},
            )


def test_balances_of_an_address(engine: Engine, query: Callable[[str], list[Any]]) -> None:
    store(engine, token_metadata, TOKEN)
    store(engine, token_balances, BALANCE, BALANCE._replace(address="G2"))
    assert query("SELECT * FROM balances WHERE address = 'G1'") == [
        (
            "G1", "C1", "Gold", "GLD", 18, None, 15 * 10**17, Decimal("1.5"), True, None,
            "contract_data", 7, False,
        )
    ]  # fmt: skip


def test_balances_leave_out_deleted_and_keep_zero(
    engine: Engine, query: Callable[[str], list[Any]]
) -> None:
    store(engine, token_balances, BALANCE._replace(amount=0, deleted=True))
    store(engine, token_balances, BALANCE._replace(address="G2", amount=0))
    assert query("SELECT address FROM balances WHERE contract_id = 'C1'") == [("G2",)]


@pytest.mark.parametrize(
    ("asset", "wanted"),
    [
        (None, (None, None, None, None, None)),
        ("native", ("native", "native", 7, "native", "150000000000")),
        (USDC, (USDC, "USDC", 7, USDC, "150000000000")),
    ],
)
def test_balances_without_metadata_know_what_the_asset_says(
    engine: Engine, query: Callable[[str], list[Any]], asset: str | None, wanted: tuple[Any, ...]
) -> None:
    store(engine, token_balances, BALANCE)
    store(engine, tokens, TokenRow("C1", asset))
    columns = "name, symbol, decimals, asset, scaled_amount::text"
    assert query(f"SELECT {columns} FROM balances") == [wanted]


def test_balances_take_the_asset_of_the_metadata(
    engine: Engine, query: Callable[[str], list[Any]]
) -> None:
    store(engine, token_balances, BALANCE)
    store(engine, token_metadata, TOKEN._replace(decimals=None, asset=USDC, wasm_hash=None))
    store(engine, tokens, TokenRow("C1", USDC))
    assert query("SELECT asset, decimals, scaled_amount FROM balances") == [
        (USDC, 7, Decimal(15 * 10**10))
    ]


@pytest.mark.parametrize(
    ("stated", "answered", "name"),
    [(None, 7, "Node"), (7, None, "Gold"), (7, 6, "Gold"), (7, 7, "Gold"), (7, 8, "Node")],
)
def test_names_are_those_of_the_newer_of_ledgers_and_a_nodes_answer(
    engine: Engine,
    query: Callable[[str], list[Any]],
    stated: int | None,
    answered: int | None,
    name: str,
) -> None:
    store(engine, token_balances, BALANCE)
    store(engine, token_operations, TRANSFER)
    if stated is not None:
        store(engine, token_metadata, TOKEN._replace(ledger=stated))
    if answered is not None:
        store(engine, token_answers, TokenAnswerRow("C1", "Node", "N", 2, None, answered))
    decimals = 2 if name == "Node" else 18
    for view in ("balances", "transfers"):
        assert query(f"SELECT name, decimals FROM {view}") == [(name, decimals)]


def test_balances_say_that_a_refund_is_not_known(
    engine: Engine, query: Callable[[str], list[Any]]
) -> None:
    row = state_row(account_entries, 1, [(7, 1, 1, 0)])
    account = AccountRow(*row)._replace(account_id="G1", refund_unknown=True)
    store(engine, account_entries, account)
    store(engine, token_balances, BALANCE, BALANCE._replace(contract_id="C2", source="account"))
    found = query("SELECT contract_id, refund_unknown FROM balances ORDER BY 1")
    assert found == [("C1", False), ("C2", True)]


@pytest.mark.parametrize(
    ("ttl", "archived"),
    [
        ({"live_until_ledger": 8}, False),
        ({"live_until_ledger": 7}, True),
        ({"live_until_ledger": None, "evicted": True}, True),
        ({"live_until_ledger": None, "ttl_ledger": None, "ttl_tx_order": None}, None),
    ],
)
def test_balances_in_contract_data_are_archived_with_their_entry(
    engine: Engine, query: Callable[[str], list[Any]], ttl: dict[str, Any], archived: bool | None
) -> None:
    _ledgers(engine, 7, 8)
    store(engine, token_balances, BALANCE._replace(key_hash="k1"))
    store(engine, token_balances, BALANCE._replace(address="G2", source="trustline"))
    store(engine, contract_data_entries, ENTRY._replace(**ttl))
    found = query("SELECT address, archived FROM balances ORDER BY 1")
    assert found == [("G1", archived), ("G2", False)]


@pytest.mark.parametrize(
    ("amount", "decimals", "scaled"),
    [
        (15 * 10**17, 18, "1.5"),
        (10**20, 18, "100"),
        (1, 7, "0.0000001"),
        (7, 0, "7"),
        (0, 18, "0"),
        (-25, 1, "-2.5"),
        (I128_MAX, 18, "170141183460469231731.687303715884105727"),
        (I128_MAX, 38, "1.70141183460469231731687303715884105727"),
        (1, 40, "0." + "0" * 39 + "1"),
        (1, 16383, "0." + "0" * 16382 + "1"),
        (1, 16384, None),
        (1, 2**32 - 1, None),
        (None, 7, None),
    ],
)
def test_scaled_amounts_are_exact_and_short(
    engine: Engine,
    query: Callable[[str], list[Any]],
    amount: int | None,
    decimals: int,
    scaled: str | None,
) -> None:
    store(engine, token_metadata, TOKEN._replace(decimals=decimals))
    store(engine, token_balances, BALANCE._replace(amount=amount))
    store(engine, token_operations, TRANSFER._replace(amount=amount))
    assert query("SELECT scaled_amount::text FROM balances") == [(scaled,)]
    assert query("SELECT scaled_amount::text FROM transfers") == [(scaled,)]


def test_transfers_name_the_token(engine: Engine, query: Callable[[str], list[Any]]) -> None:
    store(engine, token_metadata, TOKEN)
    store(engine, token_operations, TRANSFER)
    assert query("SELECT * FROM transfers") == [
        (
            "0000000030064775168-0000000000", 7, CLOSED, "aa", "transfer", "C1", "Gold", "GLD", 18,
            None, "G1", "G2", "77", 15 * 10**17, Decimal("1.5"),
        )
    ]  # fmt: skip


def test_transfers_are_what_moved_an_amount_in_a_successful_transaction(
    engine: Engine, query: Callable[[str], list[Any]]
) -> None:
    types = ("transfer", "mint", "burn", "clawback", "approve", "fee", "set_admin")
    rows = [
        TRANSFER._replace(event_index=index, type=TYPES.index(name))
        for index, name in enumerate(types, 1)
    ]
    failed = TRANSFER._replace(successful=False)
    store(engine, token_operations, *rows, failed)
    found = query("SELECT type FROM transfers ORDER BY 1")
    assert found == [("burn",), ("clawback",), ("mint",), ("transfer",)]


def test_contract_storage_shows_what_is_held_now(
    engine: Engine, query: Callable[[str], list[Any]]
) -> None:
    _ledgers(engine, 90, 100)
    store(
        engine,
        contract_data_entries,
        ENTRY,
        ENTRY._replace(key_hash="k2", live_until_ledger=99),
        ENTRY._replace(key_hash="k3", live_until_ledger=None, ttl_ledger=None, ttl_tx_order=None),
        ENTRY._replace(key_hash="k4", durability="temporary"),
        ENTRY._replace(key_hash="k5", live_until_ledger=None, evicted=True),
    )
    rest = ("C1", {"u32": 1}, {"u32": 2})
    columns = "contract_id, key, value, durability, live_until_ledger, archived"
    assert query(f"SELECT {columns} FROM contract_storage ORDER BY 4, 5, 6") == [
        (*rest, "persistent", 99, True),
        (*rest, "persistent", 100, False),
        (*rest, "persistent", None, True),
        (*rest, "persistent", None, None),
        (*rest, "temporary", 100, False),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"deleted": True, "value": None},
        {"value": None, **dict.fromkeys(ORDER)},
        {"durability": "temporary", "live_until_ledger": 99},
        {"durability": "temporary", "live_until_ledger": None, "evicted": True},
    ],
    ids=["deleted", "never seen", "expired", "evicted"],
)
def test_contract_storage_leaves_out_what_is_not_held(
    engine: Engine, query: Callable[[str], list[Any]], change: dict[str, Any]
) -> None:
    _ledgers(engine, 100)
    store(engine, contract_data_entries, ENTRY._replace(**change))
    assert query("SELECT * FROM contract_storage") == []


@pytest.mark.parametrize(
    ("value", "executable"),
    [
        (
            '{"contract_instance": {"executable": {"wasm": "abcd"}, "storage": null}}',
            ("abcd", False),
        ),
        ('{"contract_instance": {"executable": "stellar_asset", "storage": []}}', (None, True)),
        (None, (None, None)),
    ],
    ids=["Wasm", "asset contract", "value not seen"],
)
def test_contract_creations_say_what_was_created_when_and_by_whom(
    engine: Engine,
    query: Callable[[str], list[Any]],
    value: str | None,
    executable: tuple[Any, ...],
) -> None:
    _ledgers(engine, 7)
    transaction = TransactionRow(CLOSED, 1, 1, 1, 7, 1, 1, True, False, b"\xaa", b"", "G1")
    store(engine, transactions, transaction)
    created = {"created_ledger": 7, "created_tx_order": 1, "created_tx_hash": "aa"}
    instance = ENTRY._replace(key=INSTANCE, value=value, **created)
    other = ENTRY._replace(key_hash="k2", **created)
    unseen = ENTRY._replace(key_hash="k3", key=INSTANCE)
    store(engine, contract_data_entries, instance, other, unseen)
    found = query("SELECT * FROM contract_creations")
    assert found == [("C1", *executable, 7, CLOSED, "aa", "G1")]
