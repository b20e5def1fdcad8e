"""The two sides that an audit compares: staged rows, which it made again, and stored ones.

A filtered stream answers for the events that it selects and for what follows from them; the stream
of everything, for all rows of its ledgers. An item in quarantine counts as stored.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    tuple_,
    union,
)

from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.copy import copy_rows
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.fields import Row, to_copy
from sorobanflow.store.layouts import layout_of
from sorobanflow.store.selected import matches
from sorobanflow.store.tables import (
    VERSION_GROUPS,
    contract_executables,
    events,
    ledgers,
    operations,
    quarantine,
    token_operations,
    trades,
    transactions,
)

#: The rows that a filtered stream's rows follow from.
_FOLLOWED = {token_operations: events, operations: transactions, trades: transactions}
#: The kinds of items in quarantine whose rows a table lacks.
_KINDS = {
    events: ("event",),
    token_operations: ("event", "token_operation"),
    transactions: ("transaction",),
    operations: ("transaction",),
    trades: ("transaction",),
}
FIRST, LAST = bindparam("first", type_=Integer), bindparam("last", type_=Integer)
_BAD = bindparam("bad", type_=ARRAY(Text))
_BAD_IN = bindparam("bad_in", type_=ARRAY(Integer))
_INCOMPLETE = bindparam("incomplete", type_=ARRAY(Integer))


def made_rows(table: Table) -> Select[Any]:
    """Select the staged rows."""
    return select(_stage(table))


def stage_rows(connection: Connection, rows: Mapping[Table, Sequence[Row]]) -> None:
    """Copy rows to temporary tables, for the rest of the transaction."""
    driver = driver_connection(connection)
    for table, its_rows in rows.items():
        stage = _stage(table)
        create = f"CREATE TEMPORARY TABLE {stage.name} (LIKE {table.fullname}) ON COMMIT DROP"
        driver.execute(create.encode())
        copy_rows(driver, stage, to_copy(layout_of(stage).columns, its_rows))


@cache
def _stage(table: Table) -> Table:
    columns = [Column(one.name, one.type) for one in table.columns]
    return Table(f"stage_{table.name}", MetaData(), *columns)


def stored_rows(table: Table, event_filter: EventFilter | None) -> Select[Any]:
    """Select the stored rows that the batch answers for."""
    names = table.primary_key.columns.keys()
    if table in VERSION_GROUPS:
        arrays = [
            bindparam(f"claimed_{n}", type_=ARRAY(key.type))
            for n, key in enumerate(table.primary_key)
        ]
        claimed = func.unnest(*arrays).table_valued(*names).render_derived()
        made = made_rows(table).subquery()
        keys = union(select(*(made.c[name] for name in names)), select(claimed)).subquery()
        return select(table).join(keys, and_(*(table.c[name] == keys.c[name] for name in names)))
    number = table.c["sequence" if table is ledgers else "ledger"]
    if event_filter is None or table is events:
        return select(table).where(number.between(FIRST, LAST), matches(event_filter))
    followed = _FOLLOWED.get(table, table)
    names = followed.primary_key.columns.keys()
    selected = made_rows(followed).subquery()
    of_filter = select(*(selected.c[name] for name in names))
    return select(table).where(
        number.between(FIRST, LAST), tuple_(*(table.c[name] for name in names)).in_(of_filter)
    )


def in_quarantine(
    table: Table, key: ColumnElement[Any], ledger: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether a row lacks an item in quarantine, by the batch or by what is stored.

    `key`: the item's, an event id or a transaction's hash.

    A ledger that lacks any has other counts. State is not judged where a transaction is lacking:
    fees are refunded after all of them.
    """
    if table is ledgers:
        return or_(ledger == func.any(_BAD_IN), exists().where(quarantine.c.ledger == ledger))
    if table in VERSION_GROUPS or table is contract_executables:
        rows = and_(quarantine.c.kind == "transaction", quarantine.c.ledger == ledger)
        return or_(ledger == func.any(_INCOMPLETE), exists().where(rows))
    if table not in _KINDS:
        return false()
    kinds = _KINDS[table]
    bad = [func.concat(f"{kind} ", key) == func.any(_BAD) for kind in kinds]
    return or_(*bad, exists().where(quarantine.c.kind.in_(kinds), quarantine.c.key == key))
