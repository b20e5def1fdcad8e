"""Names of tables with their schema, for statements that views do not take."""

from collections.abc import Iterable

from sorobanflow.store.tables import metadata

_FULL = {table.name: table.fullname for table in metadata.tables.values()}


def fullnames(names: Iterable[str]) -> str:
    """Write tables, by their names, as TRUNCATE takes them."""
    return ", ".join(_FULL[name] for name in names)
