"""Compare the tables with what stellar-sdk says is in them: nothing missing, surplus, unlike."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from tests.integration.entry_oracle import KEYS, Values, account_id, asset_name
from tests.integration.result_oracle import Holdings, moved, source_of, trading_operations
from tests.integration.state_oracle import EXECUTABLES, PLACE, TTL
from tests.integration.true_items import Applied

Rows = Mapping[tuple[Any, ...], Values]
Tables = Mapping[str, Rows]
#: What a table holds beside the rows that are compared: balances that contracts keep, and rows of
#: which only the time to live was seen.
_WHERE = {
    "token_balances": "source <> 'contract_data'",
    "contract_data_entries": "ledger IS NOT NULL",
    "contract_code": "ledger IS NOT NULL",
}
_TTL_COLUMNS = "live_until_ledger, evicted, ttl_ledger, ttl_tx_order"
_TTL = f"""
(SELECT key_hash, {_TTL_COLUMNS} FROM contract_data_entries WHERE ttl_ledger IS NOT NULL
UNION ALL
SELECT encode(sha256('\\x00000007'::bytea || decode(wasm_hash, 'hex')), 'hex'), {_TTL_COLUMNS}
FROM contract_code WHERE ttl_ledger IS NOT NULL) AS ttl
"""
_ALL_KEYS = KEYS | {
    TTL: ("key_hash",),
    EXECUTABLES: ("contract_id", *PLACE),
    "transactions": ("hash",),
    "operations": ("tx_hash", "op_index"),
    "trades": ("tx_hash", "op_index", "trade_index"),
    "path_payments": ("tx_hash", "op_index"),
}


def check_tables(connection: Connection, truth: Tables) -> None:
    """Compare the rows of tables, in the columns that the truth knows of each."""
    for table, rows in truth.items():
        _check_rows(connection, table, _ALL_KEYS[table], rows)


def _check_rows(connection: Connection, table: str, key: Iterable[str], truth: Rows) -> None:
    relation = _TTL if table == TTL else f"{table} WHERE {_WHERE.get(table, 'true')}"
    found = connection.execute(text(f"SELECT * FROM {relation}")).mappings()
    stored = {tuple(row[name] for name in key): row for row in found}
    assert stored.keys() == truth.keys(), f"{table}: {sorted(stored.keys() ^ truth.keys())[:5]}"
    unlike = [
        (of_key, name, stored[of_key][name], value)
        for of_key, values in truth.items()
        for name, value in values.items()
        if _plain(stored[of_key][name]) != value
    ]
    assert unlike == [], f"{table}: {len(unlike)} values differ: {unlike[:3]}"
    if table in KEYS:
        _check_removed(table, stored, truth)


def _check_removed(table: str, stored: Mapping[tuple[Any, ...], Any], truth: Rows) -> None:
    """A removed entry has no values: every column is null but those of its key and its place."""
    known = {"deleted", "refund_unknown", "source", "asset", "amount", "evicted", *KEYS[table]}
    for key, values in truth.items():
        if values["deleted"] and table not in ("contract_data_entries", "contract_code"):
            row = stored[key]
            left = [name for name in row if row[name] is not None]
            assert set(left) <= known | {*PLACE}, (table, key, left)


def check_sums(connection: Connection, transactions: Iterable[Applied]) -> int:
    """Compare what trades and path payments say with the balances that their operations changed.

    Gives the number of operations. Fees are no operation's changes; an issuer has no balance of its
    own asset.
    """
    count, trades = 0, _trades_by_operation(connection)
    for one in transactions:
        for index, operation, success in trading_operations(one):
            expected: Holdings = Counter()
            buyer = source_of(one, operation)
            for row in trades.get((one.hash, index), ()):
                _exchange(expected, row["seller"] or row["pool_id"], buyer, row)
            if last := getattr(success, "last", None):
                asset, amount = asset_name(last.asset), last.amount.int64
                expected[buyer, asset] -= amount
                expected[account_id(last.destination), asset] += amount
            told = {key: n for key, n in expected.items() if n and not key[1].endswith(key[0])}
            assert told == moved(one, index), (one.hash, index)
            count += 1
    return count


def _trades_by_operation(connection: Connection) -> dict[tuple[str, int], list[Any]]:
    rows = connection.execute(text("SELECT * FROM trades")).mappings().all()
    by_operation: dict[tuple[str, int], list[Any]] = {}
    for row in rows:
        by_operation.setdefault((row["tx_hash"], row["op_index"]), []).append(row)
    return by_operation


def _exchange(held: Holdings, seller: str, buyer: str, row: Any) -> None:
    held[seller, row["sold_asset"]] -= row["sold_amount"]
    held[buyer, row["sold_asset"]] += row["sold_amount"]
    held[seller, row["bought_asset"]] += row["bought_amount"]
    held[buyer, row["bought_asset"]] -= row["bought_amount"]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == int(value) else value
