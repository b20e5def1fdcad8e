"""The views of what accounts can spend, provide, claim, trade and call, on hand-made rows.

What can be spent also agrees with the network's own rule, in real ledgers.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sorobanflow.decode.changes import OP_AFTER, OP_BEFORE
from sorobanflow.decode.codes import OPERATION_TYPES
from sorobanflow.rows.operations import OperationRow
from sorobanflow.rows.state_rows import (
    AccountRow,
    ClaimableBalanceRow,
    LiquidityPoolRow,
    TrustLineRow,
)
from sorobanflow.rows.trades import TradeRow
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.store.tables import (
    account_entries,
    claimable_balances,
    liquidity_pools,
    operations,
    trades,
    transactions,
    trust_lines,
)
from tests.integration.entry_oracle import true_rows
from tests.integration.meta_oracle import change_lists, entry_of, key_of
from tests.integration.state_changes import state_row, store
from tests.integration.true_items import Applied, recorded_transactions

PLACE = (7, 1, 1, 0)
CLOSED = datetime(2026, 1, 1, tzinfo=UTC)
USDC = "USDC:GISSUER"
POOL = "L1"
ACCOUNT = AccountRow(*state_row(account_entries, 1, [PLACE]))._replace(
    account_id="G1", deleted=False, sponsored_count=0, sponsoring_count=0, refund_unknown=False
)
LINE = TrustLineRow(
    "G1", USDC, 100, 1000, 30, 20, True, False, False, 0, None, False, *PLACE
)  # fmt: skip
POOL_ROW = LiquidityPoolRow(POOL, "native", USDC, 30, 1000, 2000, 3, 2, None, False, *PLACE)
CLAIMANTS = [
    {"claimant_type_v0": {"destination": "G1", "predicate": "unconditional"}},
    {"claimant_type_v0": {"destination": "G2", "predicate": {"not": "unconditional"}}},
]
Query = Callable[[str], list[Any]]


@pytest.fixture
def query(engine: Engine) -> Query:
    def read(statement: str) -> list[Any]:
        with engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    return read


@pytest.mark.parametrize(
    ("balance", "selling", "subentries", "sponsoring", "sponsored", "wanted"),
    [
        (10_000_000, 0, 0, 0, 0, (10_000_000, 0)),
        (10_000_001, 0, 0, 0, 0, (10_000_000, 1)),
        (30_000_000, 2_000_000, 2, 0, 0, (20_000_000, 8_000_000)),
        (30_000_000, 0, 1, 3, 0, (30_000_000, 0)),  # its own, and three of others
        (7, 0, 2, 0, 4, (0, 7)),  # others pay for all of it
        (9_999_999, 0, 0, 0, 0, (10_000_000, 0)),  # the base reserve was raised
        (30_000_000, 25_000_000, 0, 0, 0, (10_000_000, 0)),
    ],
)
def test_account_spends_what_reserve_and_liabilities_leave(
    engine: Engine,
    query: Query,
    balance: int,
    selling: int,
    subentries: int,
    sponsoring: int,
    sponsored: int,
    wanted: tuple[int, int],
) -> None:
    row = ACCOUNT._replace(
        balance=balance,
        selling_liabilities=selling,
        subentry_count=subentries,
        sponsoring_count=sponsoring,
        sponsored_count=sponsored,
    )
    store(engine, account_entries, row, row._replace(account_id="G2", deleted=True))
    assert query("SELECT account_id, reserve, spendable FROM account_spendable") == [
        ("G1", *wanted)
    ]


def test_base_reserve_is_that_of_the_newest_stored_header(engine: Engine, query: Query) -> None:
    row = ACCOUNT._replace(balance=10**9, selling_liabilities=0, subentry_count=1)
    store(engine, account_entries, row)
    columns = "sequence, closed_at, transaction_count, event_count, hash, base_reserve"
    for sequence, header in ((5, "'a', 7"), (6, "'b', 9"), (4, "'c', 8"), (7, "NULL, NULL")):
        with engine.begin() as connection:
            values = f"{sequence}, now(), 0, 0, {header}"
            connection.execute(text(f"INSERT INTO ledgers ({columns}) VALUES ({values})"))
    assert query("SELECT base_reserve, reserve, scaled_spendable FROM account_spendable") == [
        (9, 27, Decimal("99.9999973"))
    ]


@pytest.mark.parametrize(
    ("change", "spendable", "receivable"),
    [
        ({}, 80, 870),
        ({"authorized": False}, 0, 0),
        ({"authorized": False, "authorized_to_maintain_liabilities": True}, 0, 0),
        ({"selling_liabilities": 100, "buying_liabilities": 0}, 0, 900),
    ],
    ids=["authorized", "not authorized", "only to maintain liabilities", "all on offer"],
)
def test_trust_line_spends_what_issuer_and_liabilities_leave(
    engine: Engine, query: Query, change: dict[str, Any], spendable: int, receivable: int
) -> None:
    store(
        engine, trust_lines, LINE._replace(**change), LINE._replace(account_id="G2", deleted=True)
    )
    store(engine, trust_lines, LINE._replace(asset=POOL, authorized=False))
    assert query("SELECT account_id, code, spendable, receivable FROM trust_line_spendable") == [
        ("G1", "USDC", spendable, receivable)
    ]


def test_providers_hold_what_the_pool_pays_out_for_their_shares(
    engine: Engine, query: Query
) -> None:
    line = LINE._replace(asset=POOL, balance=2)
    zero, gone = line._replace(account_id="G2", balance=0), line._replace(deleted=True)
    store(engine, trust_lines, line, zero, gone._replace(account_id="G3"), LINE)
    assert query("SELECT asset_a, amount_a, part FROM pool_providers") == [(None, None, None)]
    store(engine, liquidity_pools, POOL_ROW)
    columns = "pool_id, account_id, shares, asset_a, amount_a, asset_b, amount_b, fee_bp"
    assert query(f"SELECT {columns} FROM pool_providers") == [
        (POOL, "G1", 2, "native", 666, USDC, 1333, 30)
    ]
    assert query("SELECT round(part, 3) FROM pool_providers") == [(Decimal("0.667"),)]


def test_trades_have_prices_where_something_was_sold(engine: Engine, query: Query) -> None:
    row = TradeRow(
        CLOSED, 5, 30_000_000, 10_000_000, 7, 1, 0, 0, b"\xaa", "G1", None, "G2", USDC, "native",
    )  # fmt: skip
    of_pool = row._replace(
        trade_index=1, seller=None, offer_id=None, pool_id=POOL, sold_amount=0, bought_amount=0
    )
    store(engine, trades, row, of_pool)
    columns = "sold_code, scaled_sold_amount, bought_code, scaled_bought_amount, round(price, 4)"
    assert query(f"SELECT seller, offer_id, {columns} FROM trade_prices ORDER BY trade_index") == [
        ("G1", 5, "USDC", 3, "native", 1, Decimal("0.3333")),
        (POOL, None, "USDC", 0, "native", 0, None),
    ]


@pytest.mark.parametrize(
    ("sold", "bought", "price"),
    [
        (0, 0, (None, None)),
        (0, 5, (None, None)),
        (5, 0, (0, 1)),
        (2**63 - 1, 2**63 - 2, (2**63 - 2, 2**63 - 1)),
        (2**62, 2**61, (1, 2)),
        (-1, -(2**63), (-(2**63), -1)),
    ],
)
def test_price_of_a_trade_is_the_reduced_fraction(
    sold: int, bought: int, price: Any, engine: Engine, query: Query
) -> None:
    row = TradeRow(CLOSED, 5, sold, bought, 7, 1, 0, 0, b"\xaa", "G1", None, "G2", "a", "b")
    store(engine, trades, row)
    assert query("SELECT type, tx_hash, price_n, price_d FROM trades") == [
        ("order_book", "aa", *price)
    ]


def test_invocations_are_calls_of_contracts_with_what_they_returned(
    engine: Engine, query: Query
) -> None:
    call = {"contract_address": "C1", "function_name": "add", "args": [{"u32": 1}]}
    details = json.dumps({"host_function": {"invoke_contract": call}, "auth": []})
    row = OperationRow(
        *(CLOSED, 7, 1, 0, OPERATION_TYPES.index("invoke_host_function"), True, b"\xaa", "G1"),
        *(None, details, None, '"ab"'),
    )
    upload = json.dumps({"host_function": {"upload_contract_wasm": ""}, "auth": []})
    store(
        engine, operations, row, row._replace(application_order=2, tx_hash=b"\xbb", details=upload)
    )
    transaction = TransactionRow(
        CLOSED, 9, 8, 1, 7, 1, 1, True, False, b"\xaa", b"", "G9", return_value='{"u32":2}'
    )
    other = transaction._replace(application_order=2, hash=b"\xbb")
    store(engine, transactions, transaction, other)
    assert query("SELECT * FROM contract_invocations") == [
        (7, CLOSED, "aa", "G1", "C1", "add", [{"u32": 1}], True, "success", {"u32": 2}, 8)
    ]


def test_claimable_balance_is_shown_to_each_claimant(engine: Engine, query: Query) -> None:
    row = ClaimableBalanceRow(
        "B1", USDC, 15_000_000, json.dumps(CLAIMANTS), False, "G9", False, *PLACE
    )
    gone = row._replace(balance_id="B2", asset=None, amount=None, claimants=None, deleted=True)
    store(engine, claimable_balances, row, gone)
    columns = "claimant, balance_id, code, scaled_amount, predicate, sponsor"
    assert query(f"SELECT {columns} FROM claimable ORDER BY 1") == [
        ("G1", "B1", "USDC", Decimal("1.5"), "unconditional", "G9"),
        ("G2", "B1", "USDC", Decimal("1.5"), {"not": "unconditional"}, "G9"),
    ]


@pytest.mark.parametrize(
    ("stem", "taken"),
    [
        ("pubnet-63092990", 116),
        pytest.param("pubnet-30822015", 790, marks=pytest.mark.long),
        pytest.param("pubnet-51000294", 286, marks=pytest.mark.long),
        pytest.param("pubnet-63800060", 7, marks=pytest.mark.long),
    ],
)
def test_no_operation_of_real_ledgers_took_more_than_the_account_could_spend(
    stem: str,
    taken: int,
    recording_path: Callable[[str], Path],
    engine: Engine,
    query: Query,
) -> None:
    transactions = recorded_transactions(recording_path(stem))
    states = [state for one in transactions for pair in accounts_of(one) for state in pair]
    named = [row._replace(account_id=f"{number:06}") for number, row in enumerate(states)]
    store(engine, account_entries, *named)
    left = "balance - selling_liabilities - reserve"
    shown = [
        value for (value,) in query(f"SELECT {left} FROM account_spendable ORDER BY account_id")
    ]
    pairs = zip(shown[::2], shown[1::2], strict=True)
    after = [after for before, after in pairs if after < before]
    assert (len(after), min(after) >= 0) == (taken, True)


def accounts_of(one: Applied) -> Iterator[tuple[AccountRow, AccountRow]]:
    """Give the accounts that an operation changed, before and after."""
    if not one.successful:
        return
    for order, items in change_lists(one.meta):
        before: dict[bytes, AccountRow] = {}
        for item in items if order not in (OP_BEFORE, OP_AFTER) else ():
            key, entry = key_of(item), entry_of(item)
            if key is None or key.account is None or entry is None:
                continue
            values = next(true_rows(key, entry, None, bytes(32))).values or {}
            values["signers"] = json.dumps(values["signers"])
            row, name = ACCOUNT._replace(**values), key.to_xdr_bytes()
            if item.updated and name in before:
                yield before[name], row
            before[name] = row
