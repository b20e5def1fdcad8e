"""What a batch of ledgers determines of a table: parts, whose columns one ledger decides together.

Of history, ledgers determine the rows that have their numbers. Of state, they determine each group
of columns that they changed last, and that no other group claims a change in them. Where stored
ledgers came whole, and the batch as events and transactions, it does not determine what only whole
ledgers tell; `docs/architecture.md` lists that, with the reasons.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Subquery,
    Table,
    and_,
    false,
    func,
    literal_column,
    not_,
    or_,
    true,
    tuple_,
)

from sorobanflow.audit.sides import FIRST, LAST
from sorobanflow.rows.change_position import AFTER_TRANSACTIONS
from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.ledgers import HEADER_COLUMNS
from sorobanflow.store.only_whole import LEFT_OPEN, came_whole, only_whole
from sorobanflow.store.tables import (
    VERSION_GROUPS,
    VersionGroup,
    account_entries,
    ledgers,
    token_balances,
)

#: The column that a refund of fees changes.
_REFUNDED = {account_entries: "balance", token_balances: "amount"}


class Part(NamedTuple):
    """Columns that a ledger determines together: which one, and where it does."""

    columns: Sequence[str]
    ledger: ColumnElement[Any]
    is_determined: ColumnElement[bool] = true()
    is_hiding: ColumnElement[bool] = false()


def parts_of(
    table: Table,
    made: Subquery,
    stored: Subquery,
    event_filter: EventFilter | None,
    is_whole: bool,
) -> Iterator[Part]:
    """List the parts of a table; `made` is named s, `stored` t; `is_whole`: see `BatchRows`."""
    if table is ledgers:
        yield _ledgers_part(made, stored, event_filter, is_whole)
    elif table not in VERSION_GROUPS:
        yield from _history_parts(table, made, stored, is_whole)
    for group in VERSION_GROUPS.get(table, ()):
        part = _state_part(table, group, made, stored)
        if is_whole:
            yield part
        else:
            known = not_(and_(_is_only_whole(group), _is_older(group)))
            yield part._replace(is_determined=and_(part.is_determined, known))
            yield from _refunded_parts(table, group, made, stored)


def _history_parts(
    table: Table, made: Subquery, stored: Subquery, is_whole: bool
) -> Iterator[Part]:
    """Judge all columns; where the stored ledger came whole, no column that a node leaves null."""
    ledger = func.coalesce(made.c.ledger, stored.c.ledger)
    left_open = () if is_whole else LEFT_OPEN.get(table, ())
    columns = [one.name for one in table.columns if not one.primary_key]
    yield Part([name for name in columns if name not in left_open], ledger)
    both = and_(made.c.ledger.is_not(None), stored.c.ledger.is_not(None))
    by_node = literal_column(f"NOT {came_whole('t.ledger')}", Boolean)
    for name in left_open:
        yield Part([name], ledger, and_(both, or_(made.c[name].is_not(None), by_node)))


def _ledgers_part(
    made: Subquery, stored: Subquery, event_filter: EventFilter | None, is_whole: bool
) -> Part:
    ledger = func.coalesce(made.c.sequence, stored.c.sequence)
    if event_filter is not None:
        return Part(["closed_at"], ledger)  # the rows of other streams are counted as well
    columns = [one.name for one in ledgers.columns if not one.primary_key]
    if is_whole:
        return Part(columns, ledger)
    came_whole = stored.c.hash.is_not(None)
    is_empty = and_(stored.c.transaction_count == 0, stored.c.event_count == 0)
    known = not_(and_(made.c.sequence.is_(None), came_whole, is_empty))
    return Part([one for one in columns if one not in HEADER_COLUMNS], ledger, known)


def _state_part(table: Table, group: VersionGroup, made: Subquery, stored: Subquery) -> Part:
    """Judge a group that the ledgers changed, unless a later one did; or that claims they did."""
    was, should = stored.c[group.order[0]], made.c[group.order[0]]
    (key, *_) = table.primary_key
    both = and_(stored.c[key.name].is_not(None), made.c[key.name].is_not(None))
    determined = or_(
        was.between(FIRST, LAST),
        and_(was < FIRST, should.is_not(None)),
        and_(was.is_(None), or_(should.is_not(None), both)),
    )
    changed = _order(group, stored).is_distinct_from(_order(group, made))
    part = _grouped(table, group, made, stored)
    return part._replace(is_determined=determined, is_hiding=and_(was >= FIRST, changed))


def _refunded_parts(
    table: Table, group: VersionGroup, made: Subquery, stored: Subquery
) -> Iterator[Part]:
    """Judge accounts to which a whole ledger refunded fees: that changes nothing but the balance.

    A node that states refunds as events determines the balance, too.
    """
    if table not in _REFUNDED:
        return
    balance = _REFUNDED[table]
    others = [name for name in group.data if name not in (balance, "refund_unknown")]
    refunded = and_(
        _is_only_whole(group),
        stored.c.tx_order == AFTER_TRANSACTIONS,
        stored.c.ledger == made.c.ledger,
    )
    yield Part(others, stored.c.ledger, refunded)
    yield Part([balance], stored.c.ledger, and_(refunded, made.c.tx_order == AFTER_TRANSACTIONS))


def _grouped(table: Table, group: VersionGroup, made: Subquery, stored: Subquery) -> Part:
    """Take a group's columns and those that follow from the key, and the ledger of the change."""
    groups = VERSION_GROUPS[table]
    others = {name for one in groups if one is not group for name in (*one.order, *one.data)}
    columns = [one.name for one in table.columns if not one.primary_key and one.name not in others]
    changed_in = func.greatest(stored.c[group.order[0]], made.c[group.order[0]])
    # A group without a change has the ledger of another one.
    return Part(columns, func.coalesce(changed_in, *(made.c[one.order[0]] for one in groups)))


def _order(group: VersionGroup, rows: Subquery) -> ColumnElement[Any]:
    return tuple_(*(rows.c[name] for name in group.order))


def _is_only_whole(group: VersionGroup) -> ColumnElement[bool]:
    """Whether the stored change is one that only a whole ledger tells."""
    return literal_column(only_whole(group, "t"), Boolean)


def _is_older(group: VersionGroup) -> ColumnElement[bool]:
    """Whether the change that was made again is older than the stored one, or there is none."""
    made, stored = (", ".join(f"{side}.{name}" for name in group.order) for side in "st")
    older = f"(s.{group.order[0]} IS NULL OR ({made}) < ({stored}))"
    return literal_column(older, Boolean)
