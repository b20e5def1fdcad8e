"""Compare the rows that ledgers make with the stored ones, in the database.

Of history, ledgers determine the rows that have their numbers. Of state, they determine each group
of columns that they changed last, and that no other group claims a change in them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    case,
    distinct,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from sorobanflow.audit.sides import FIRST, LAST, in_quarantine, made_rows, stage_rows, stored_rows
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.store.claims import Claims
from sorobanflow.store.tables import (
    HISTORY_TABLES,
    STATE_TABLES,
    VERSION_GROUPS,
    VersionGroup,
    ledgers,
)
from sorobanflow.store.upsert import ledger_rows

#: All tables that ledgers determine.
TABLES = (ledgers, *HISTORY_TABLES, *STATE_TABLES)
#: Rows of a ledger and table that are named, columns of each, characters of each value.
MAX_ROWS, MAX_COLUMNS, MAX_CHARACTERS = 3, 3, 40


# The first columns that differ, with both values. Its size is the same for all tables: compiling
# an expression per column took ten times as long as running it.
_SHOWN = f"""(
SELECT string_agg(concat(key, ' is ', here, ', not ', there), ', ' ORDER BY place) FROM (
    SELECT key, array_position(ARRAY[{{names}}], key) AS place,
        left(coalesce(a.value, 'null'), {MAX_CHARACTERS}) AS here,
        left(coalesce(b.value, 'null'), {MAX_CHARACTERS}) AS there
    FROM jsonb_each_text(to_jsonb(t)) AS a JOIN jsonb_each_text(to_jsonb(s)) AS b USING (key)
    WHERE a.value IS DISTINCT FROM b.value AND key = ANY(ARRAY[{{names}}])
    ORDER BY place LIMIT {MAX_COLUMNS}
) AS columns)"""  # noqa: S608 - names of our own columns


class Difference(NamedTuple):
    """A ledger whose rows in a table are not those that the node's answers make."""

    ledger: int
    table: str
    missing: int
    surplus: int
    changed: int  # rows with other values
    examples: tuple[str, ...] = ()  # the first few: key, columns, both values
    #: Rows of state among them that claim a change which the ledger did not make; they hide
    #: which ledger did.
    hiding: int = 0

    @property
    def rows(self) -> int:
        """How many rows they are."""
        return self.missing + self.surplus + self.changed


class _Part(NamedTuple):
    """Columns that a ledger determines together: which one, and where it does."""

    columns: Sequence[str]
    ledger: ColumnElement[Any]
    is_determined: ColumnElement[bool] = true()
    is_hiding: ColumnElement[bool] = false()


def find_unlike(
    connection: Connection, rows: BatchRows, event_filter: EventFilter | None, claims: Claims
) -> list[Difference]:
    """Compare the rows of a batch; `claims` on its ledgers, none for a filtered stream."""
    stage_made(connection, rows)
    tables = TABLES if event_filter is None else (ledgers, *HISTORY_TABLES)
    found = (compare_table(connection, one, rows, event_filter, claims) for one in tables)
    return [difference for some in found for difference in some]


def stage_made(connection: Connection, rows: BatchRows) -> None:
    """Stage the rows of a batch, for the rest of the transaction."""
    by_name = rows.by_table()
    made = {table: by_name[table.name] for table in TABLES if table is not ledgers}
    made[ledgers] = ledger_rows(rows)
    stage_rows(connection, made)


def compare_table(
    connection: Connection,
    table: Table,
    rows: BatchRows,
    event_filter: EventFilter | None,
    claims: Claims,
) -> list[Difference]:
    """Compare a table with the rows that are staged; a difference per ledger, ascending."""
    keys = claims.keys(table, rows.ledgers)
    claimed = {f"claimed_{n}": [key[n] for key in keys] for n in range(len(table.primary_key))}
    values = {
        **rows.ledgers._asdict(),
        **claimed,
        "bad": [f"{row.kind} {row.key}" for row in rows.quarantine],
        "bad_in": [row.ledger for row in rows.quarantine],
        "incomplete": [row.ledger for row in rows.quarantine if row.kind == "transaction"],
    }
    return [
        Difference(
            ledger, table.name, missing, surplus, changed, tuple(map(_printable, examples)), hiding
        )
        for ledger, missing, surplus, changed, examples, hiding in connection.execute(
            _statement(table, event_filter), values
        )
    ]


def _printable(line: str) -> str:
    """Replace what a terminal would obey: a value written by hand may hold anything."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


@cache
def _statement(table: Table, event_filter: EventFilter | None) -> Select[Any]:
    """Count what is unlike by ledger, and name the first rows, missing ones before others."""
    made, stored = made_rows(table).subquery("s"), stored_rows(table, event_filter).subquery("t")
    parts = [_history_part(table, made, stored, event_filter)]
    if groups := VERSION_GROUPS.get(table):
        parts = [_state_part(table, group, made, stored) for group in groups]
    unlike = union_all(*(_unlike(table, part, made, stored) for part in parts)).subquery().c
    rows = func.count(distinct(unlike.key))
    lines = aggregate_order_by(unlike.line, unlike.missing.desc(), unlike.key)
    return (
        select(
            unlike.ledger,
            rows.filter(unlike.missing),
            rows.filter(unlike.surplus),
            rows.filter(~unlike.missing, ~unlike.surplus),
            func.array_agg(lines, type_=ARRAY(Text))[1:MAX_ROWS],
            rows.filter(unlike.hiding),
        )
        .group_by(unlike.ledger)
        .order_by(unlike.ledger)
    )


def _unlike(table: Table, part: _Part, made: Subquery, stored: Subquery) -> Select[Any]:
    """Select the rows of which this part is determined and unlike."""
    keys = [(stored.c[one.name], made.c[one.name]) for one in table.primary_key]
    missing, surplus = (one.is_(None) for one in keys[0])
    key = func.concat_ws(" ", *(func.coalesce(*pair) for pair in keys))
    here, there = (", ".join(f"{side}.{one}" for one in part.columns) for side in "ts")
    differ = literal_column(f"(({here}) IS DISTINCT FROM ({there}))", Boolean)
    shown: ColumnElement[str] = literal_column(
        _SHOWN.format(names=", ".join(f"'{one}'" for one in part.columns))
    )
    quarantined = in_quarantine(table, func.coalesce(*keys[0]), part.ledger)
    return (
        select(
            part.ledger.label("ledger"),
            key.label("key"),
            missing.label("missing"),
            surplus.label("surplus"),
            part.is_hiding.label("hiding"),
            case((or_(missing, surplus), key), else_=func.concat(key, ": ", shown)).label("line"),
        )
        .select_from(stored.outerjoin(made, and_(*(a == b for a, b in keys)), full=True))
        .where(or_(differ, missing, surplus), part.is_determined, ~quarantined)
    )


def _history_part(
    table: Table, made: Subquery, stored: Subquery, event_filter: EventFilter | None
) -> _Part:
    number = "sequence" if table is ledgers else "ledger"
    columns = [one.name for one in table.columns if not one.primary_key]
    if table is ledgers and event_filter is not None:
        columns = ["closed_at"]  # the rows of other streams are counted as well
    return _Part(columns, func.coalesce(made.c[number], stored.c[number]))


def _state_part(table: Table, group: VersionGroup, made: Subquery, stored: Subquery) -> _Part:
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


def _grouped(table: Table, group: VersionGroup, made: Subquery, stored: Subquery) -> _Part:
    """Take a group's columns and those that follow from the key, and the ledger of the change."""
    groups = VERSION_GROUPS[table]
    others = {name for one in groups if one is not group for name in (*one.order, *one.data)}
    columns = [one.name for one in table.columns if not one.primary_key and one.name not in others]
    changed_in = func.greatest(stored.c[group.order[0]], made.c[group.order[0]])
    # A group without a change has the ledger of another one.
    return _Part(columns, func.coalesce(changed_in, *(made.c[one.order[0]] for one in groups)))


def _order(group: VersionGroup, rows: Subquery) -> ColumnElement[Any]:
    return tuple_(*(rows.c[name] for name in group.order))
