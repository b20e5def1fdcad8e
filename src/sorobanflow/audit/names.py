"""How people name the rows that an audit compares: by hashes in hex and event ids, not by keys.

Invariant: what `in_quarantine` looks for, an event id or a transaction's hash, comes first.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, LargeBinary, Table, Text, cast, func

from sorobanflow.store.tables import events, operations, token_operations, trades, transactions

Name = list[ColumnElement[Any]]


def event_id(side: FromClause) -> ColumnElement[Any]:
    """Write the id of an event from the columns of its place, as the views do (SEP-35)."""
    ledger, transaction = (cast(side.c[name], BigInteger) for name in ("ledger", "tx_index"))
    toid = ledger * 2**32 + transaction * 2**12 + side.c.op_index
    first = func.lpad(cast(toid, Text), 19, "0", type_=Text)
    second = func.lpad(cast(side.c.event_index, Text), 10, "0", type_=Text)
    return first + "-" + second


def _hashed(column: str, *rest: str) -> Callable[[FromClause], Name]:
    return lambda side: [func.encode(side.c[column], "hex"), *(side.c[name] for name in rest)]


_NAMES: dict[Table, Callable[[FromClause], Name]] = {
    events: lambda side: [event_id(side)],
    token_operations: lambda side: [event_id(side)],
    transactions: _hashed("hash"),
    operations: _hashed("tx_hash", "op_index"),
    trades: _hashed("tx_hash", "op_index", "trade_index"),
}


def name_of(table: Table, side: FromClause) -> Name:
    """Return what names a row of a table, or of a query with its columns."""
    if table in _NAMES:
        return _NAMES[table](side)
    keys = [side.c[key.name] for key in table.primary_key]
    return [func.encode(one, "hex") if isinstance(one.type, LargeBinary) else one for one in keys]
