"""The tables' columns and types as plain data, for processes that import no SQLAlchemy."""

from functools import cache

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from sorobanflow.store.encoded import Layout, Layouts
from sorobanflow.store.tables import OF_LEDGERS, STATE_TABLES, contract_calls, ledgers

#: Tables whose rows are copied where their ledgers are new, in the order of writing.
COPIED = (*OF_LEDGERS, contract_calls)


@cache
def layout_of(table: Table) -> Layout:
    """Name a table's columns and key; types without precision and collation."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = {one.name: one.type.compile(dialect).lower() for one in table.columns}
    plain = {name: t.partition("(")[0].partition(" collate ")[0] for name, t in types.items()}
    return Layout(plain, tuple(key.name for key in table.primary_key))


@cache
def layouts() -> Layouts:
    """Give the layouts of what a batch writes."""
    copied, state = ({one.name: layout_of(one) for one in some} for some in (COPIED, STATE_TABLES))
    return Layouts(layout_of(ledgers), copied, state)
