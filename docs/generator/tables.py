"""Write the page of the tables from the comments in the schema.

Tables are read from their metadata. Views are described by migrations only, so
they are read from a migrated database. What is partitioned is shown by its view.
"""

from collections.abc import Iterator
from itertools import chain as chained
from types import ModuleType

from sqlalchemy import Column, Engine, Index, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import Text

from docs.generator.markdown import code, page, table
from docs.generator.questions import QUESTIONS
from sorobanflow.store.tables import (
    PARTITIONED,
    accounts,
    archive,
    audit,
    chain,
    contracts,
    live,
    metadata,
    progress,
    state,
)

#: Heading, and the module with its tables.
GROUPS: tuple[tuple[str, ModuleType], ...] = (
    ("Activity", chain),
    ("State of contracts and tokens", state),
    ("State of accounts", accounts),
    ("Progress of indexing", progress),
    ("Archive", archive),
    ("What contracts say of themselves", contracts),
    ("Memory of scheduled runs", live),
    ("Memory of audits", audit),
)

INTRODUCTION = """
The database holds the same descriptions: `\\d+ events` in psql shows them.

- Column names are those of the protocol.
- Amounts are exact integers in the smallest unit (a stroop is 1/10,000,000 XLM).
- Times are UTC.
- Addresses are strkeys
  ([SEP-23](https://github.com/stellar/stellar-protocol/blob/master/ecosystem/sep-0023.md)).
- Values of contracts are
  [SEP-51](https://github.com/stellar/stellar-protocol/blob/master/ecosystem/sep-0051.md) JSON.
- Keys are compared by their bytes (collation `C`), so event ids sort in chain order.
- `events`, `transactions`, `operations`, `trades`, `token_operations` and `contract_calls` are
  views: their rows are in [partitions by ledger](#storage), in a smaller form.
- In a state table a column is null if the entry does not have it. A filtered stream writes no
  state, because transactions that it does not select change state too.
"""

STORAGE = """
Rows of what happened are in the schema `stored`, where a hash is `bytea`, a type is a number, and
a column is null where a rule says its value. The tables are partitioned by ledger. Everybody reads
the views of the same names, which the planner takes apart: their conditions use the indexes below.

- A ledger, or a range of them, reads only its partitions. A condition on `ledger` beside another
  one makes any statement quicker.
- `WHERE hash = '…'` finds a transaction, and `WHERE tx_hash = '…'` its events, operations, trades
  and calls. Its token operations are found by its ledger.
- Ids of events are computed, so nothing finds them by id alone. Add the ledger, which is in the
  id: `WHERE ledger = left('0000270977646850048-0000000001', 19)::bigint >> 32 AND id = '…'`. Sort
  by `ledger` before `id`.
- Whoever changes rows by hand changes these tables, not the views.
"""

VIEWS = """
SELECT c.relname, obj_description(c.oid), a.attname, format_type(a.atttypid, a.atttypmod),
  col_description(c.oid, a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0
ORDER BY c.oid, a.attnum
"""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def tables_page(engine: Engine) -> str:
    """Write the page; the engine's database has this program's schema."""
    parts, views = [INTRODUCTION], _views(engine)
    for heading, module in GROUPS:
        parts.append(f"## {heading}")
        for one in metadata.tables.values():
            if vars(module).get(one.name) is one:
                parts += views.pop(one.name) if one in PARTITIONED else _table(one)
    parts += ["## Views", *chained.from_iterable(views.values()), "## Questions and answers"]
    parts += [f"{question}\n\n```sql\n{query.strip()}\n```" for question, query in QUESTIONS]
    parts += ["## Storage", STORAGE, *chained.from_iterable(map(_table, PARTITIONED))]
    return page("Tables", *parts)


def _table(one: Table) -> Iterator[str]:
    yield f"### {one.fullname}"
    yield one.comment or ""
    rows = [
        (code(column.name), _type(column), _null(column), column.comment or "")
        for column in one.columns
    ]
    yield table(("column", "type", "null", "meaning"), rows)
    if one.indexes:
        yield "Indexes: " + "; ".join(sorted(map(_index, one.indexes))) + "."


def _index(index: Index) -> str:
    columns = ", ".join(code(getattr(part, "name", str(part))) for part in index.expressions)
    where = index.dialect_options["postgresql"]["where"]
    return columns if where is None else f"{columns} where {code(str(where))}"


def _type(column: Column[object]) -> str:
    kind = Text() if isinstance(column.type, Text) else column.type
    return _short(kind.compile(_DIALECT).lower())


def _short(kind: str) -> str:
    return kind.replace("timestamp with time zone", "timestamptz").replace(", ", ",")


def _null(column: Column[object]) -> str:
    if column.primary_key:
        return "key"
    return "null" if column.nullable else ""


def _views(engine: Engine) -> dict[str, list[str]]:
    """Describe the views, by name."""
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(text(VIEWS))]
    comments = {name: comment for name, comment, *_ in found}
    described = {}
    for name, comment in comments.items():
        columns = [row[2:] for row in found if row[0] == name]
        rows = [(code(column), _short(kind), meaning) for column, kind, meaning in columns]
        shown = table(("column", "type", "meaning"), rows)
        described[name] = [f"### {name}", comment, shown]
    return described
