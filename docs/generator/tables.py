"""The page of the tables: what every row and column is, from the schema's own comments.

The tables are read from their metadata; the views, which only migrations
describe, from a database that these have made.
"""

from collections.abc import Iterator
from types import ModuleType

from sqlalchemy import Column, Engine, Index, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import Text

from docs.generator.markdown import code, page, table
from sorobanflow.store.tables import audit, chain, metadata, progress, state

#: Heading, and the module whose tables stand under it.
GROUPS: tuple[tuple[str, ModuleType], ...] = (
    ("What happened", chain),
    ("What is", state),
    ("What the indexer knows of its own work", progress),
    ("What audits remember", audit),
)

INTRODUCTION = """
The same words stand in the database: `\\d+ events` in psql shows them. Names of columns are those
of the protocol. Amounts are exact integers in the smallest unit (a stroop is 1/10,000,000 XLM),
times are UTC, addresses are strkeys
([SEP-23](https://github.com/stellar/stellar-protocol/blob/master/ecosystem/sep-0023.md)), values
of contracts are JSON in the form of
[SEP-51](https://github.com/stellar/stellar-protocol/blob/master/ecosystem/sep-0051.md). Text of
keys compares by its bytes (collation `C`), so event ids sort in chain order. A column of a table
of state that an entry does not have is null.
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
    """Write the page; the engine is of a database with this program's schema."""
    parts = [INTRODUCTION]
    for heading, module in GROUPS:
        parts.append(f"## {heading}")
        for one in metadata.tables.values():
            if vars(module).get(one.name) is one:
                parts += _table(one)
    parts += ["## Views", *_views(engine)]
    return page("Tables", *parts)


def _table(one: Table) -> Iterator[str]:
    yield f"### {one.name}"
    yield one.comment or ""
    rows = [
        (code(column.name), _type(column), _null(column), column.comment or "")
        for column in one.columns
    ]
    yield table(("column", "type", "null", "meaning"), rows)
    if one.indexes:
        yield "Indexes: " + "; ".join(sorted(map(_index, one.indexes))) + "."


def _index(index: Index) -> str:
    columns = ", ".join(code(column.name) for column in index.columns)
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


def _views(engine: Engine) -> Iterator[str]:
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(text(VIEWS))]
    comments = {name: comment for name, comment, *_ in found}
    for name, comment in comments.items():
        yield f"### {name}"
        yield comment
        columns = [row[2:] for row in found if row[0] == name]
        rows = [(code(column), _short(kind), meaning) for column, kind, meaning in columns]
        yield table(("column", "type", "meaning"), rows)
