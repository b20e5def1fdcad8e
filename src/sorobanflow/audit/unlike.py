"""Compare the rows that ledgers make with the stored ones, in the database.

Invariant: only what the ledgers determine is compared, see `parts`.
"""

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
    func,
    literal_column,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from sorobanflow.audit.names import name_of
from sorobanflow.audit.parts import Part, parts_of
from sorobanflow.audit.sides import in_quarantine, made_rows, stage_rows, stored_rows
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.claims import Claims
from sorobanflow.store.encoded import ledger_rows
from sorobanflow.store.only_whole import came_whole
from sorobanflow.store.tables import (
    HISTORY_TABLES,
    OF_LEDGERS,
    STATE_TABLES,
    ledgers,
)

#: All tables that ledgers determine.
TABLES = (ledgers, *OF_LEDGERS, *STATE_TABLES)
#: Rows of a ledger and table that are named, columns of each, characters of each value.
MAX_ROWS, MAX_COLUMNS, MAX_CHARACTERS = 3, 3, 40


# The first columns that differ, with both values. Its size is the same for all tables: compiling
# an expression per column took ten times as long as running it.
_SHOWN = f"""(
SELECT string_agg(concat(key, ' is ', here, ', not ', there), ', ' ORDER BY place) FROM (
    SELECT key, array_position(ARRAY[{{names}}], key) AS place,
        left(regexp_replace(coalesce(a.value, 'null'), '^\\\\x', ''), {MAX_CHARACTERS}) AS here,
        left(regexp_replace(coalesce(b.value, 'null'), '^\\\\x', ''), {MAX_CHARACTERS}) AS there
    FROM jsonb_each_text(to_jsonb(t)) AS a JOIN jsonb_each_text(to_jsonb(s)) AS b USING (key)
    WHERE a.value IS DISTINCT FROM b.value AND key = ANY(ARRAY[{{names}}])
    ORDER BY place LIMIT {MAX_COLUMNS}
) AS columns)"""  # noqa: S608 - names of our own columns


#: No refund is unknown where the stored ledger came whole.
_KNOWN_REFUNDS = text(
    "UPDATE stage_account_entries AS s SET refund_unknown = false "  # noqa: S608 - no input
    f"WHERE refund_unknown AND {came_whole('s.ledger')}"
)


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
    if not rows.is_whole:
        connection.execute(_KNOWN_REFUNDS)


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
            _statement(table, event_filter, rows.is_whole), values
        )
    ]


def _printable(line: str) -> str:
    """Replace what a terminal would obey: a value written by hand may hold anything."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


@cache
def _statement(table: Table, event_filter: EventFilter | None, is_whole: bool) -> Select[Any]:
    """Count what is unlike by ledger, and name the first rows, missing ones before others."""
    made, stored = made_rows(table).subquery("s"), stored_rows(table, event_filter).subquery("t")
    parts = parts_of(table, made, stored, event_filter, is_whole)
    unlike = union_all(*(_unlike(table, part, made, stored) for part in parts)).subquery().c
    rows = func.count(distinct(unlike.key))
    lines = aggregate_order_by(unlike.line, unlike.missing.desc(), unlike.line)
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


def _unlike(table: Table, part: Part, made: Subquery, stored: Subquery) -> Select[Any]:
    """Select the rows of which this part is determined and unlike."""
    keys = [(stored.c[one.name], made.c[one.name]) for one in table.primary_key]
    missing, surplus = (one.is_(None) for one in keys[0])
    key = func.concat_ws(" ", *(func.coalesce(*pair) for pair in keys))
    names = [
        func.coalesce(*pair)
        for pair in zip(name_of(table, stored), name_of(table, made), strict=True)
    ]
    name = func.concat_ws(" ", *names)
    here, there = (", ".join(f"{side}.{one}" for one in part.columns) for side in "ts")
    differ = literal_column(f"(({here}) IS DISTINCT FROM ({there}))", Boolean)
    shown: ColumnElement[str] = literal_column(
        _SHOWN.format(names=", ".join(f"'{one}'" for one in part.columns))
    )
    quarantined = in_quarantine(table, names[0], part.ledger)
    return (
        select(
            part.ledger.label("ledger"),
            key.label("key"),
            missing.label("missing"),
            surplus.label("surplus"),
            part.is_hiding.label("hiding"),
            case((or_(missing, surplus), name), else_=func.concat(name, ": ", shown)).label("line"),
        )
        .select_from(stored.outerjoin(made, and_(*(a == b for a, b in keys)), full=True))
        .where(or_(differ, missing, surplus), part.is_determined, ~quarantined)
    )
